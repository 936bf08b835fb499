import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';

export interface PoolOptions {
  /** Path of a module that answers each message with one. It has to end when it is disconnected. */
  program: string;
  args?: readonly string[];
  env: ForkOptions['env'];
  /** A process without work ends after this time. */
  idleMs: number;
}

interface Idle {
  child: ChildProcess;
  timer: NodeJS.Timeout;
}

/** Node processes of one program. Each does one thing at a time, and idle ones are used again. */
export class ProcessPool {
  readonly #options: PoolOptions;
  readonly #running = new Set<ChildProcess>();
  readonly #idle: Idle[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /**
   * Sends a message to a process and returns its answer.
   *
   * @param options.timeoutMs ends the process when it takes longer
   * @param options.onNote called with what the process sends before its answer: messages with a member `note`
   * @throws {@link ProcessEnded} without an answer, {@link ProcessTimeout}
   */
  async ask(
    message: object,
    {
      timeoutMs,
      onNote,
    }: { timeoutMs?: number | undefined; onNote?: ((note: unknown) => void) | undefined } = {},
  ): Promise<unknown> {
    const child = this.#take();
    const answered = Promise.withResolvers<unknown>();
    const onMessage = (received: unknown) => {
      if (isNote(received)) onNote?.(received.note);
      else answered.resolve(received);
    };
    const onExit = (code: number | null, signal: NodeJS.Signals | null) =>
      answered.reject(new ProcessEnded(signal ?? `exit code ${code}`));
    const timer =
      timeoutMs !== undefined && setTimeout(() => answered.reject(new ProcessTimeout(timeoutMs)), timeoutMs);
    child.on('message', onMessage).once('exit', onExit).once('error', answered.reject);
    let answer: unknown;
    try {
      child.send(message, (error) => {
        // Its exit says why.
        if (error) child.kill('SIGKILL');
      });
      answer = await answered.promise;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      if (timer) clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit).off('error', answered.reject);
    }
    this.#rest(child);
    return answer;
  }

  /** Ends the processes without work. */
  endIdle(): void {
    for (const { child, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      child.kill('SIGKILL');
    }
  }

  /** Ends all processes. The next message starts others. */
  async close(): Promise<void> {
    this.endIdle();
    const exits = [...this.#running].map(async (child) => {
      const exit = once(child, 'exit');
      child.ref();
      child.kill('SIGKILL');
      await exit;
    });
    await Promise.all(exits);
  }

  #take(): ChildProcess {
    const idle = this.#idle.pop();
    if (idle === undefined) return this.#start();
    clearTimeout(idle.timer);
    idle.child.ref();
    idle.child.channel?.ref();
    return idle.child;
  }

  #start(): ChildProcess {
    const { program, args = [], env } = this.#options;
    const child = fork(program, args, {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#running.add(child);
    // Work that waits for an answer has its own listeners.
    child.on('error', () => {});
    child.once('exit', () => {
      this.#running.delete(child);
      const at = this.#idle.findIndex((one) => one.child === child);
      if (at !== -1) clearTimeout(this.#idle.splice(at, 1)[0]?.timer);
    });
    return child;
  }

  /** Idle processes do not keep this one from its end. */
  #rest(child: ChildProcess): void {
    if (!this.#running.has(child)) return;
    child.unref();
    child.channel?.unref();
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.idleMs).unref();
    this.#idle.push({ child, timer });
  }
}

function isNote(message: unknown): message is { note: unknown } {
  return typeof message === 'object' && message !== null && 'note' in message;
}

/** A process ended before its answer. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';

  /** @param how a signal or an exit code */
  constructor(how: string) {
    super(`its process has ended (${how})`);
  }
}

export class ProcessTimeout extends Error {
  override readonly name = 'ProcessTimeout';

  constructor(timeoutMs: number) {
    super(`it took longer than ${Math.ceil(timeoutMs / 1000)} s`);
  }
}
