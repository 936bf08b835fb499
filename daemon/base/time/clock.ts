/** Time, injected so that tests control it. All durations are milliseconds. */
export interface Clock {
  now(): Date;
  /** Milliseconds that never jump, for measuring durations. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done);
    }),
};

/** A signal that aborts after `ms`. Call `cancel` when it is no longer needed, to end the timer. */
export function deadline(clock: Clock, ms: number): { signal: AbortSignal; cancel: () => void } {
  const passed = new AbortController();
  const cancelled = new AbortController();
  void runAfter(clock, ms, cancelled.signal, () => passed.abort());
  return { signal: passed.signal, cancel: () => cancelled.abort() };
}

/** Runs `work` after `ms`, unless the signal aborts first. */
export async function runAfter(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: () => void,
): Promise<void> {
  await clock.sleep(ms, signal);
  if (!signal.aborted) work();
}

/** Whether `work` settles within `ms`; a rejection counts as settled. Does not stop `work`. */
export async function settlesWithin(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const settled = new AbortController();
  const end = Promise.allSettled([work]).then(() => settled.abort());
  await Promise.race([end, clock.sleep(ms, settled.signal)]);
  return settled.signal.aborted;
}

/** Resolves when `work` does, or at once when the signal aborts. @throws the failure of `work` */
export async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const abort = () => resolve();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
