import type { Probe } from '../../shared/instance.ts';
import type { Clock } from '../base/clock.ts';
import { LIVENESS_PATH, probe, READINESS_PATH } from '../pocketbase/probe.ts';

/** Failed probes in a row after which an instance counts as hung and is replaced. */
export const UNRESPONSIVE_AFTER = 3;
/** A probe waits as long as the interval, within these bounds: who asks often wants to know soon. */
const PROBE_TIMEOUT_MS = { least: 2_000, most: 5_000 };
/** After a failed probe the next one does not wait for the whole interval. */
const SUSPICIOUS_INTERVAL_MS = 3_000;

export interface LivenessOptions {
  host: string;
  port: number;
  intervalMs: number;
  /** Null probes only whether the process serves. */
  authorization: (() => Promise<string>) | null;
  clock: Clock;
  random: () => number;
  /** `failures` in a row up to this probe, 0 when it was good. */
  onProbe: (probe: Probe, failures: number) => void;
}

/** Probes until the instance has failed too often in a row, or the signal aborts. */
export async function watchLiveness(
  options: LivenessOptions,
  signal: AbortSignal,
): Promise<'unresponsive' | 'aborted'> {
  const { clock, intervalMs } = options;
  const timeoutMs = Math.min(PROBE_TIMEOUT_MS.most, Math.max(PROBE_TIMEOUT_MS.least, intervalMs));
  let failures = 0;
  // A random first wait spreads the probes of a fleet that was started together.
  let waitMs = intervalMs * options.random();
  for (;;) {
    await clock.sleep(waitMs, signal);
    if (signal.aborted) return 'aborted';
    const authorization = options.authorization
      ? await tokenOf(options.authorization, clock, timeoutMs)
      : null;
    const result = await probe(
      {
        host: options.host,
        port: options.port,
        ...(authorization === null
          ? { path: READINESS_PATH }
          : { path: LIVENESS_PATH, headers: { authorization } }),
      },
      { clock, timeoutMs, signal },
    );
    if (signal.aborted) return 'aborted';
    failures = result.ok ? 0 : failures + 1;
    options.onProbe(result, failures);
    if (failures >= UNRESPONSIVE_AFTER) return 'unresponsive';
    waitMs = result.ok ? intervalMs : Math.min(intervalMs, SUSPICIOUS_INTERVAL_MS);
  }
}

/** Null when there is none to be had in time: then the probe asks only whether the process serves. */
async function tokenOf(
  authorization: () => Promise<string>,
  clock: Clock,
  timeoutMs: number,
): Promise<string | null> {
  const enough = new AbortController();
  try {
    return await Promise.race([
      authorization().catch(() => null),
      clock.sleep(timeoutMs, enough.signal).then(() => null),
    ]);
  } finally {
    enough.abort();
  }
}
