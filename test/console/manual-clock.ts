import type { StreamClock } from '../../shared/client/stream-clock.ts';

/** A clock that a test advances; due callbacks run in the order of their times. */
export class ManualClock implements StreamClock {
  #now = Date.UTC(2026, 10, 21, 12);
  readonly #waiting = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const entry = { at: this.#now + ms, callback };
    this.#waiting.add(entry);
    return () => this.#waiting.delete(entry);
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (let next = this.#nextBefore(until); next !== undefined; next = this.#nextBefore(until)) {
      this.#waiting.delete(next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = until;
  }

  #nextBefore(until: number) {
    return [...this.#waiting].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
  }
}
