import type { StreamClock } from './stream-clock.ts';

/** The timers of a stream, by name: `live`, `ping`, `pong`, `stable` and `retry`. */
export class StreamTimers {
  readonly #clock: StreamClock;
  readonly #running = new Map<string, () => void>();

  constructor(clock: StreamClock) {
    this.#clock = clock;
  }

  /** Calls back once after `ms`. Replaces the timer of the same name. */
  set(name: string, ms: number, callback: () => void): void {
    this.cancel(name);
    const cancel = this.#clock.after(ms, () => {
      this.#running.delete(name);
      callback();
    });
    this.#running.set(name, cancel);
  }

  /** Whether the timer runs. */
  has(name: string): boolean {
    return this.#running.has(name);
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
