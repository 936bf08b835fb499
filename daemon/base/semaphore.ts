/** Limits the number of holders. Waiting callers are served in order, urgent ones before all others. */
export class Semaphore {
  readonly #limit: number;
  #held = 0;
  readonly #urgent = new Set<() => void>();
  readonly #waiting = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** Resolves with the release function, which is safe to call twice; null when the signal aborts first. */
  acquire(signal: AbortSignal, { isUrgent = false } = {}): Promise<(() => void) | null> {
    if (signal.aborted) return Promise.resolve(null);
    if (this.#held < this.#limit) return Promise.resolve(this.#hold());
    const waiting = isUrgent ? this.#urgent : this.#waiting;
    return new Promise((resolve) => {
      const enter = () => {
        signal.removeEventListener('abort', leave);
        resolve(this.#hold());
      };
      const leave = () => {
        waiting.delete(enter);
        resolve(null);
      };
      waiting.add(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #hold(): () => void {
    this.#held += 1;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#held -= 1;
      const waiting = this.#urgent.size > 0 ? this.#urgent : this.#waiting;
      const [next] = waiting;
      if (next) {
        waiting.delete(next);
        next();
      }
    };
  }
}
