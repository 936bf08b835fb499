import type { PhaseReason } from '../../shared/api/instances.ts';
import { type Crashes, crashRate, isCrashLoop } from '../../shared/crashes.ts';
import { isExternal } from './restart-policy.ts';

/** A run or a sleep of this duration ends a series of crashes. */
const ENDS_AFTER_MS = 10 * 60_000;

/** Consecutive unrequested exits of one instance, with the cause of the last one. */
export interface CrashSeries extends Crashes {
  lastCause: string;
}

/** Adds an unrequested exit, unless its cause is outside of the instance. */
export function afterExit(
  series: CrashSeries | null,
  { at, uptimeMs, reason }: { at: Date; uptimeMs: number; reason: PhaseReason },
): CrashSeries | null {
  if (isExternal(reason.code)) return series;
  const last_at = at.toISOString();
  const isFirst = series === null || uptimeMs >= ENDS_AFTER_MS;
  const { count, since } = isFirst ? { count: 0, since: last_at } : series;
  return { count: count + 1, since, last_at, lastCause: reason.message };
}

/** Whether an instance that runs or sleeps has done so long enough since its last crash. */
export function hasEnded(series: CrashSeries, now: Date): boolean {
  return now.getTime() - Date.parse(series.last_at) >= ENDS_AFTER_MS;
}

/** Why a running instance is in trouble although it serves; null when it is not. */
export function crashingReason(series: CrashSeries | null): PhaseReason | null {
  if (!isCrashLoop(series)) return null;
  return { code: 'crashing', message: `${crashRate(series)}; the last one: ${series.lastCause}` };
}
