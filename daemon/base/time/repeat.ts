import type { Clock } from './clock.ts';

/** Runs `work` again and again, `intervalMs` after its last end; `work` handles its own errors. Returns what stops it. */
export function repeat(clock: Clock, intervalMs: number, work: () => Promise<void>): () => Promise<void> {
  const stopped = new AbortController();
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await work();
      await clock.sleep(intervalMs, stopped.signal);
    }
  })();
  return async () => {
    stopped.abort();
    await loop;
  };
}
