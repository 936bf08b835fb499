import type { Clock } from './clock.ts';

/** A loop that runs until it is stopped. */
export interface Loop {
  /** Ends the current wait. During a run: starts the next run without a wait. */
  wake: () => void;
  /** Lets a run in progress end, then resolves. Safe to call twice. */
  stop: () => Promise<void>;
}

/**
 * Runs `work` repeatedly. `work` handles its own errors.
 *
 * @param work returns the milliseconds to wait before the next run, or null to end the loop
 */
export function startLoop(clock: Clock, work: (stopping: AbortSignal) => Promise<number | null>): Loop {
  const stopping = new AbortController();
  let woken = new AbortController();
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      woken = new AbortController();
      const waitMs = await work(stopping.signal);
      if (waitMs === null) return;
      await clock.sleep(waitMs, woken.signal);
    }
  })();
  return {
    wake: () => woken.abort(),
    stop: async () => {
      stopping.abort();
      woken.abort();
      await loop;
    },
  };
}

/** Runs `work` every `intervalMs`, counted from the end of the last run. Returns the function that stops it. */
export function repeat(clock: Clock, intervalMs: number, work: () => Promise<void>): () => Promise<void> {
  return startLoop(clock, async () => {
    await work();
    return intervalMs;
  }).stop;
}
