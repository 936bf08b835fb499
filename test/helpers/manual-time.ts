import type { Clock } from '../../daemon/base/time/clock.ts';

/** A clock that a test advances; sleeps end in the order of their times. */
export class ManualTime implements Clock {
  #ms = Date.UTC(2024, 0, 15, 10);
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();

  now(): Date {
    return new Date(this.#ms);
  }

  monotonic(): number {
    return this.#ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = {
        at: this.#ms + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake);
    });
  }

  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** The one that ends first; of several, the one that began first. */
  #next(): { at: number; wake: () => void } | undefined {
    let first: { at: number; wake: () => void } | undefined;
    for (const sleeper of this.#sleepers) if (first === undefined || sleeper.at < first.at) first = sleeper;
    return first;
  }

  /** Moves on by `ms`, waking one sleeper after the other and letting each do what it was waiting to do. */
  async advance(ms: number): Promise<void> {
    const end = this.#ms + ms;
    for (;;) {
      await settle();
      const next = this.#next();
      if (!next || next.at > end) break;
      this.#ms = Math.max(this.#ms, next.at);
      next.wake();
    }
    this.#ms = end;
    await settle();
  }
}

/** Lets everything run that waits for nothing but its turn, files that are looked at included. */
export async function settle(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
