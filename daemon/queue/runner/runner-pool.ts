import { Runner, type RunnerOptions } from './runner.ts';

/** A runner is replaced after this many tasks, so that leftovers of handlers do not accumulate. */
const MAX_TASKS = 5_000;

/** Keeps runners ready, so that a task does not wait for the start of a process. */
export class RunnerPool {
  readonly #options: RunnerOptions;
  readonly #idle: Runner[] = [];
  readonly #all = new Set<Runner>();
  readonly #tasks = new WeakMap<Runner, number>();
  #isClosed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Resolves when a runner is ready. @throws when no runner can be started */
  async warm(): Promise<void> {
    const runner = await this.take();
    this.giveBack(runner);
  }

  /** @throws when no runner can be started */
  async take(): Promise<Runner> {
    for (let runner = this.#idle.pop(); runner; runner = this.#idle.pop()) {
      if (!runner.isUsable) {
        this.#remove(runner);
        continue;
      }
      await runner.ready;
      return runner;
    }
    const runner = this.#start();
    await runner.ready;
    return runner;
  }

  /** Returns a runner after a task. One that is not usable any more is replaced. */
  giveBack(runner: Runner): void {
    const tasks = (this.#tasks.get(runner) ?? 0) + 1;
    this.#tasks.set(runner, tasks);
    if (runner.isUsable && tasks < MAX_TASKS && !this.#isClosed) {
      this.#idle.push(runner);
      return;
    }
    this.#remove(runner);
    if (!this.#isClosed && this.#idle.length === 0) this.#idle.push(this.#start());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#all].map((runner) => runner.close()));
  }

  #start(): Runner {
    const runner = new Runner(this.#options);
    this.#all.add(runner);
    return runner;
  }

  #remove(runner: Runner): void {
    void runner.close().then(() => this.#all.delete(runner));
  }
}
