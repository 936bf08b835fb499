import type { Daemon } from '../helpers/deployment.ts';

/** A process that is launched again whenever it ends, as systemd does on a host. */
export class KeptProcess {
  /** Of each run that ended by itself: its exit code, and everything that it printed. */
  readonly ends: { code: number; output: string }[] = [];
  readonly #launch: () => Daemon;
  readonly #loop: Promise<void>;
  #run: Daemon;
  #isClosed = false;

  /** @param first one that runs already; launched by default */
  constructor(launch: () => Daemon, first: Daemon = launch()) {
    this.#launch = launch;
    this.#run = first;
    this.#loop = this.#keep();
  }

  get run(): Daemon {
    return this.#run;
  }

  /** Resolves when the killed process is gone. */
  async kill(): Promise<void> {
    const victim = this.#run;
    victim.signal('SIGKILL');
    await victim.exited;
  }

  /** Launches it no more. Resolves when it is stopped. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#run.signal('SIGTERM');
    await this.#loop;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #keep(): Promise<void> {
    for (;;) {
      const code = await this.#run.exited;
      if (this.#isClosed) return;
      if (code !== null) this.ends.push({ code, output: this.#run.output() });
      this.#run = this.#launch();
    }
  }
}
