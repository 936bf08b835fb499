import { Runner } from './runner.ts';

/** After so many tasks a runner is replaced, so that what handlers leave behind does not pile up for ever. */
const MAX_TASKS = 5_000;

export interface RunnerPoolOptions {
  memoryMb: number;
}

/** Runners that are kept ready, so that a task does not wait for a process to start. */
export class RunnerPool {
  readonly #options: RunnerPoolOptions;
  readonly #idle: Runner[] = [];
  readonly #all = new Set<Runner>();
  readonly #tasks = new WeakMap<Runner, number>();
  #closed = false;

  constructor(options: RunnerPoolOptions) {
    this.#options = options;
  }

  /** Resolves when a task could begin at once. @throws when a runner cannot be started */
  async warm(): Promise<void> {
    const runner = await this.take();
    this.give(runner);
  }

  /** @throws when it cannot be started */
  async take(): Promise<Runner> {
    for (let runner = this.#idle.pop(); runner; runner = this.#idle.pop()) {
      if (!runner.usable) {
        this.#forget(runner);
        continue;
      }
      await runner.ready;
      return runner;
    }
    const runner = this.#start();
    await runner.ready;
    return runner;
  }

  /** Back after a task: kept if it is still good, replaced otherwise. */
  give(runner: Runner): void {
    const tasks = (this.#tasks.get(runner) ?? 0) + 1;
    this.#tasks.set(runner, tasks);
    if (runner.usable && tasks < MAX_TASKS && !this.#closed) {
      this.#idle.push(runner);
      return;
    }
    this.#forget(runner);
    if (!this.#closed && this.#idle.length === 0) this.#idle.push(this.#start());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((runner) => runner.close()));
  }

  #start(): Runner {
    const runner = new Runner({ memoryMb: this.#options.memoryMb });
    this.#all.add(runner);
    return runner;
  }

  #forget(runner: Runner): void {
    void runner.close().then(() => this.#all.delete(runner));
  }
}
