import type { Clock } from './clock.ts';

/** Does something after `ms`, unless the signal aborts before. */
export async function after(clock: Clock, ms: number, signal: AbortSignal, work: () => void): Promise<void> {
  await clock.sleep(ms, signal);
  if (!signal.aborted) work();
}
