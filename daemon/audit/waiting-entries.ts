import { firstOf } from '../base/bounded.ts';

/** Entries in their order, up to a number. When it is reached, the source with the most entries loses its oldest one. */
export class WaitingEntries<T> {
  readonly #max: number;
  readonly #sourceOf: (entry: T) => string;
  readonly #entries = new Set<T>();
  /** The entries of each source, in their order. */
  readonly #bySource = new Map<string, Set<T>>();

  constructor(max: number, sourceOf: (entry: T) => string) {
    this.#max = max;
    this.#sourceOf = sourceOf;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Returns the entry that was dropped for it; null if there was room. */
  add(entry: T): T | null {
    const source = this.#sourceOf(entry);
    this.#entries.add(entry);
    this.#bySource.set(source, (this.#bySource.get(source) ?? new Set()).add(entry));
    if (this.#entries.size <= this.#max) return null;
    const [oldest] = [...this.#bySource.values()].reduce((most, some) =>
      some.size > most.size ? some : most,
    );
    if (oldest === undefined) return null;
    this.remove([oldest]);
    return oldest;
  }

  /** The oldest entries. */
  first(count: number): T[] {
    return firstOf(this.#entries, count);
  }

  remove(entries: readonly T[]): void {
    for (const entry of entries) {
      const source = this.#sourceOf(entry);
      const same = this.#bySource.get(source);
      same?.delete(entry);
      if (same?.size === 0) this.#bySource.delete(source);
      this.#entries.delete(entry);
    }
  }
}
