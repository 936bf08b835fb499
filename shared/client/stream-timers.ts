import type { StreamClock } from './stream-clock.ts';

/** What is to be called back, `live`, `ping`, `pong`, `stable` and `retry`: at most one of each at a time. */
export class StreamTimers {
  readonly #clock: StreamClock;
  readonly #running = new Map<string, () => void>();

  constructor(clock: StreamClock) {
    this.#clock = clock;
  }

  /** Calls back once after `ms`, instead of the earlier one of that name. */
  set(name: string, ms: number, callback: () => void): void {
    this.cancel(name);
    this.#running.set(name, this.#clock.after(ms, callback));
  }

  cancel(name: string): void {
    this.#running.get(name)?.();
    this.#running.delete(name);
  }

  stop(): void {
    for (const cancel of this.#running.values()) cancel();
    this.#running.clear();
  }
}
