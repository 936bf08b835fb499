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
