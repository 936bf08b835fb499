/** One line for each check, with what was seen. */
export class Report {
  readonly #interrupted: AbortSignal;
  #passed = 0;
  #failed = 0;

  constructor(interrupted: AbortSignal) {
    this.#interrupted = interrupted;
  }

  /** @param look returns the numbers, or throws what is wrong */
  async check(what: string, look: () => Promise<string>): Promise<void> {
    const start = performance.now();
    this.#interrupted.throwIfAborted();
    try {
      const seen = await look();
      this.#passed += 1;
      console.log(`ok      ${what}: ${seen} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      this.#interrupted.throwIfAborted();
      this.#failed += 1;
      console.log(`FAILED  ${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** The last line; the exit code. */
  end(): number {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed > 0 ? 1 : 0;
  }
}

export function mustBe<T>(seen: T, wanted: T, what: string): void {
  if (JSON.stringify(seen) !== JSON.stringify(wanted)) {
    throw new Error(`${what} is ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`);
  }
}

export function mustMatch(seen: string, wanted: RegExp, what: string): void {
  if (!wanted.test(seen)) throw new Error(`${what} does not match ${wanted}: ${seen}`);
}
