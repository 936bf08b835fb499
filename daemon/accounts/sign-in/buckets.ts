import type { Clock } from '../../base/time/clock.ts';

/** Past this, those that have been left alone longest make room. */
const MAX_KEYS = 50_000;

/**
 * So many per window for each key, as a token bucket: it starts full and fills evenly, so there is no moment at which a new
 * window opens for everybody.
 */
export class Buckets {
  readonly #windowMs: number;
  #capacity = 0;
  #msPerToken = 0;
  readonly #clock: Clock;
  /** By key, when the bucket will be full again; what is not here is full. */
  readonly #fullAtMs = new Map<string, number>();

  constructor(options: { capacity: number; windowMs: number; clock: Clock }) {
    this.#windowMs = options.windowMs;
    this.#clock = options.clock;
    this.resize(options.capacity);
  }

  /** What has been taken stays taken, measured in time. */
  resize(capacity: number): void {
    this.#capacity = capacity;
    this.#msPerToken = this.#windowMs / capacity;
  }

  /** Milliseconds until there is one to take; 0 when there is. */
  waitMs(key: string): number {
    const nowMs = this.#clock.now().getTime();
    const takenMs = Math.max(0, (this.#fullAtMs.get(key) ?? 0) - nowMs);
    return Math.max(0, takenMs - (this.#capacity - 1) * this.#msPerToken);
  }

  take(key: string): void {
    const nowMs = this.#clock.now().getTime();
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(key) ?? 0) + this.#msPerToken;
    this.#fullAtMs.delete(key);
    this.#fullAtMs.set(key, fullAtMs);
    const [oldest] = this.#fullAtMs.keys();
    if (this.#fullAtMs.size > MAX_KEYS && oldest !== undefined) this.#fullAtMs.delete(oldest);
  }

  giveBack(key: string): void {
    const fullAtMs = this.#fullAtMs.get(key);
    if (fullAtMs !== undefined) this.#fullAtMs.set(key, fullAtMs - this.#msPerToken);
  }

  forget(key: string): void {
    this.#fullAtMs.delete(key);
  }
}
