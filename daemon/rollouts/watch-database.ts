import type { InstancePhase } from '../../shared/instance.ts';
import { type Clock, deadline } from '../base/time/clock.ts';
import type { Runner } from '../supervisor/runner.ts';

/** As long as a start may take, and more than a process that does not answer has until it is ended. */
const START_TIMEOUT_MS = 120_000;
const BROKEN: ReadonlySet<InstancePhase> = new Set(['failed', 'backing_off']);
/** Nothing runs that could be watched: an administrator stopped it, or it is not used. */
const RESTS: ReadonlySet<InstancePhase> = new Set(['stopped', 'asleep']);

/**
 * Watches a database after a change until a time has passed. One that does not answer for a moment, as under load, is watched
 * until it answers again, or until its process was ended for it.
 *
 * @param restarts its number of restarts before the change
 * @param onRunning called when it answers for the first time
 * @returns why it does not work; null when it does, or when the signal aborts
 */
export async function watchDatabase(
  { state }: Pick<Runner, 'state'>,
  { restarts, watchMs, onRunning }: { restarts: number; watchMs: number; onRunning: () => void },
  clock: Clock,
  signal: AbortSignal,
): Promise<string | null> {
  const until = async (condition: () => boolean, ms: number) => {
    const timeout = deadline(clock, ms);
    const isSo = await state.until(condition, AbortSignal.any([signal, timeout.signal]));
    timeout.cancel();
    return isSo;
  };
  const isBroken = () => BROKEN.has(state.phase) || state.observed.restarts > restarts;
  const isOver = () => isBroken() || RESTS.has(state.phase);
  const answers = () => isOver() || state.phase === 'running';
  const started = await until(answers, START_TIMEOUT_MS);
  if (signal.aborted) return null;
  if (!started) return `it does not run after ${START_TIMEOUT_MS / 1000} s`;
  if (isOver()) return isBroken() ? brokenReason(state) : null;
  onRunning();
  await until(isOver, watchMs);
  const isSettled = await until(answers, START_TIMEOUT_MS);
  if (signal.aborted) return null;
  return isBroken() || !isSettled ? brokenReason(state) : null;
}

function brokenReason({ reason }: Runner['state']): string {
  return reason?.message ?? 'its process ended';
}
