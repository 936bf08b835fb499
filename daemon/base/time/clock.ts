/** Time, injected so that tests decide what it is. All durations are milliseconds. */
export interface Clock {
  now(): Date;
  /** Milliseconds that never jump, for measuring durations. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Aborts after `ms` on that clock; `cancel` when it is not needed any more, so that nothing waits for it. */
export function deadline(clock: Clock, ms: number): { signal: AbortSignal; cancel: () => void } {
  const passed = new AbortController();
  const cancelled = new AbortController();
  void clock.sleep(ms, cancelled.signal).then(() => {
    if (!cancelled.signal.aborted) passed.abort();
    return undefined;
  });
  return { signal: passed.signal, cancel: () => cancelled.abort() };
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
