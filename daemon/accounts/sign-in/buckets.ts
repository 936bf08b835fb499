import { removeOldestOver } from '../../base/bounded.ts';
import type { Clock } from '../../base/time/clock.ts';

/** Beyond this number, the least recently used keys are dropped. */
const MAX_KEYS = 50_000;

/** A token bucket for each key. It starts full and fills evenly, so there is no moment at which all keys start again. */
export class Buckets {
  readonly #windowMs: number;
  #capacity = 0;
  #msPerToken = 0;
  readonly #clock: Clock;
  /** The monotonic time at which the bucket of a key is full again; buckets that are not listed are full. */
  readonly #fullAtMs = new Map<string, number>();

  constructor(options: { capacity: number; windowMs: number; clock: Clock }) {
    this.#windowMs = options.windowMs;
    this.#clock = options.clock;
    this.resize(options.capacity);
  }

  /** Changes the capacity. Buckets that are filling keep the time at which they are full. */
  resize(capacity: number): void {
    this.#capacity = capacity;
    this.#msPerToken = this.#windowMs / capacity;
  }

  /** Returns the milliseconds until a token is available; 0 when there is one. */
  waitMs(key: string): number {
    const nowMs = this.#clock.monotonic();
    const takenMs = Math.max(0, (this.#fullAtMs.get(key) ?? 0) - nowMs);
    return Math.max(0, takenMs - (this.#capacity - 1) * this.#msPerToken);
  }

  take(key: string): void {
    const nowMs = this.#clock.monotonic();
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(key) ?? 0) + this.#msPerToken;
    this.#fullAtMs.delete(key);
    this.#fullAtMs.set(key, fullAtMs);
    removeOldestOver(this.#fullAtMs, MAX_KEYS);
  }

  giveBack(key: string): void {
    const fullAtMs = this.#fullAtMs.get(key);
    if (fullAtMs !== undefined) this.#fullAtMs.set(key, fullAtMs - this.#msPerToken);
  }

  forget(key: string): void {
    this.#fullAtMs.delete(key);
  }
}
