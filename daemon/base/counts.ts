/** Counts holders by key, each key up to a limit. */
export class Counts {
  readonly #held = new Map<string, number>();

  of(key: string): number {
    return this.#held.get(key) ?? 0;
  }

  /** Returns a function that ends the hold, which is safe to call twice; null at the limit. */
  take(key: string, limit: number): (() => void) | null {
    const held = this.of(key);
    if (held >= limit) return null;
    this.#held.set(key, held + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const left = this.of(key) - 1;
      if (left > 0) this.#held.set(key, left);
      else this.#held.delete(key);
    };
  }
}
