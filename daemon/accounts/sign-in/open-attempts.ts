import { randomUUID } from 'node:crypto';

/** Attempts that hooks of the global PocketBase began and whose end they have not reported yet. */
export class OpenAttempts<T> {
  readonly #max: number;
  readonly #drop: (attempt: T) => void;
  readonly #attempts = new Map<string, T>();

  /** @param drop ends the oldest attempt when there are more than `max` */
  constructor(max: number, drop: (attempt: T) => void) {
    this.#max = max;
    this.#drop = drop;
  }

  /** Returns the id with which the end is reported. */
  add(attempt: T): string {
    const id = randomUUID();
    this.#attempts.set(id, attempt);
    const [oldest] = this.#attempts.keys();
    if (this.#attempts.size > this.#max && oldest !== undefined) {
      const dropped = this.take(oldest);
      if (dropped !== undefined) this.#drop(dropped);
    }
    return id;
  }

  /** Removes an attempt; undefined when it is unknown. */
  take(id: string): T | undefined {
    const attempt = this.#attempts.get(id);
    this.#attempts.delete(id);
    return attempt;
  }
}
