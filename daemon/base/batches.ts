/** Writes single items in batches: what is added while a batch is written goes into the next one. */
export class Batches<T> {
  readonly #write: (batch: readonly T[]) => Promise<void>;
  #waiting: T[] = [];
  #next: Promise<void> | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(write: (batch: readonly T[]) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the item is written. @throws the error of its batch */
  add(item: T): Promise<void> {
    this.#waiting.push(item);
    this.#next ??= this.#last.then(() => this.#begin());
    return this.#next;
  }

  #begin(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#next = null;
    const written = this.#write(batch);
    // Those who added the items receive the error.
    this.#last = written.catch(() => {});
    return written;
  }
}
