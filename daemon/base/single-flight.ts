/** Concurrent calls with the same key share one run and its result. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (running) return running;
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }

  /** Resolves when no run of this key is in progress, also after a failure. */
  async settled(key: string): Promise<void> {
    const running = this.#running.get(key);
    if (running) await Promise.allSettled([running]);
  }

  /** Resolves when no run is in progress, also after failures. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
  }
}
