/** Calls with the same key that overlap share one run and its outcome. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (running) return running;
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }

  /** Resolves when nothing runs for this key, however it ended. */
  async settled(key: string): Promise<void> {
    const running = this.#running.get(key);
    if (running) await Promise.allSettled([running]);
  }

  /** Resolves when nothing runs any more, however it ended. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
  }
}
