import type { InstancePhase } from '../../shared/instance.ts';
import type { Runner } from '../supervisor/runner.ts';

/** As long as a start may take. */
const START_TIMEOUT_MS = 120_000;
const BROKEN: ReadonlySet<InstancePhase> = new Set(['failed', 'backing_off', 'unresponsive']);
/** Nothing runs that could be watched: an administrator stopped it, or it is not used. */
const RESTS: ReadonlySet<InstancePhase> = new Set(['stopped', 'asleep']);

/**
 * Watches a database after a change until a time has passed.
 *
 * @param restarts its number of restarts before the change
 * @param onRunning called when it answers for the first time
 * @returns why it does not work; null when it does, or when the signal aborts
 */
export async function watchDatabase(
  { state }: Runner,
  { restarts, watchMs, onRunning }: { restarts: number; watchMs: number; onRunning: () => void },
  signal: AbortSignal,
): Promise<string | null> {
  const isBroken = () => BROKEN.has(state.phase) || state.observed.restarts > restarts;
  const hasStarted = () => isBroken() || state.phase === 'running' || RESTS.has(state.phase);
  const started = await state.until(
    hasStarted,
    AbortSignal.any([signal, AbortSignal.timeout(START_TIMEOUT_MS)]),
  );
  if (signal.aborted) return null;
  if (!started) return `it does not run after ${START_TIMEOUT_MS / 1000} s`;
  if (state.phase === 'running' && !isBroken()) {
    onRunning();
    const isOver = () => isBroken() || RESTS.has(state.phase);
    await state.until(isOver, AbortSignal.any([signal, AbortSignal.timeout(watchMs)]));
  }
  return isBroken() && !signal.aborted ? (state.reason?.message ?? 'its process ended') : null;
}
