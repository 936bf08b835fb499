import type { Clock } from './clock.ts';

/** Does something after `ms`, unless the signal aborts before. */
export async function after(clock: Clock, ms: number, signal: AbortSignal, work: () => void): Promise<void> {
  await clock.sleep(ms, signal);
  if (!signal.aborted) work();
}

/** Whether `work` settles within `ms`; it goes on in either case. A rejection counts as settled. */
export async function settlesWithin(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const settled = new AbortController();
  const end = Promise.allSettled([work]).then(() => settled.abort());
  await Promise.race([end, clock.sleep(ms, settled.signal)]);
  return settled.signal.aborted;
}
