import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../shared/errors.ts';
import { modulePath } from '../../base/package.ts';

const PROGRAM = modulePath('daemon/pocketbase/data/sql-process-main');
/** A process without work ends after this time. */
const IDLE_MS = 30_000;
/** Time for work on a small file. A slow disk reads the rest. */
const BASE_TIMEOUT_MS = 60_000;
const BYTES_PER_MS = 5_000;
/** Of one value. SQLite refuses larger ones. */
export const MAX_SQL_VALUE_BYTES = 256 * 1024 * 1024;

/** What a program answers. */
type SqlAnswer = { value: unknown } | { problem: string };

interface Idle {
  child: ChildProcess;
  timer: NodeJS.Timeout;
}

/**
 * Runs SQL on files of users in processes of their own. The content of such a file can make SQLite run for ever and take any
 * amount of memory, and a thread of the daemon could not be ended then, nor the daemon itself.
 */
export class SqlProcesses {
  readonly #program: string;
  readonly #timeoutOf: (bytes: number) => number;
  readonly #running = new Set<ChildProcess>();
  readonly #idle: Idle[] = [];

  /**
   * @param program a module that calls `answerSqlWork`
   * @param timeoutOf milliseconds for work on a file of a size
   */
  constructor(program: string, timeoutOf = (bytes: number) => BASE_TIMEOUT_MS + bytes / BYTES_PER_MS) {
    this.#program = program;
    this.#timeoutOf = timeoutOf;
  }

  /** @throws the error of SQLite as text, or an Error when the work takes too long */
  async run(work: { file: string }): Promise<unknown> {
    const { file } = work;
    const timeoutMs = this.#timeoutOf(statSync(file, { throwIfNoEntry: false })?.size ?? 0);
    const child = this.#take();
    const answer = Promise.withResolvers<SqlAnswer>();
    const end = () => answer.reject(new Error(`the process that reads ${file} has ended`));
    const timer = setTimeout(
      () => answer.reject(new Error(`${file} was not read within ${Math.ceil(timeoutMs / 1000)} s`)),
      timeoutMs,
    );
    child.once('message', answer.resolve).once('exit', end).once('error', answer.reject);
    let result: SqlAnswer;
    try {
      child.send(work, (error) => {
        if (error) answer.reject(error);
      });
      result = await answer.promise;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      clearTimeout(timer);
      child.off('message', answer.resolve).off('exit', end).off('error', answer.reject);
    }
    this.#rest(child);
    if ('problem' in result) throw new Error(result.problem);
    return result.value;
  }

  /** Ends all processes. The next work starts others. */
  async close(): Promise<void> {
    for (const { timer } of this.#idle.splice(0)) clearTimeout(timer);
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
    const child = fork(PROGRAM, [this.#program], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: {},
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

  #rest(child: ChildProcess): void {
    if (!this.#running.has(child)) return;
    child.unref();
    child.channel?.unref();
    const timer = setTimeout(() => child.kill('SIGKILL'), IDLE_MS).unref();
    this.#idle.push({ child, timer });
  }
}

/** For a program: answers each message to its thread with what `run` returns or throws. */
export function answerSqlWork(run: (work: never) => unknown): void {
  const runAny = run as (work: unknown) => unknown;
  parentPort?.on('message', (work: unknown) => {
    let answer: SqlAnswer;
    try {
      answer = { value: runAny(work) };
    } catch (error) {
      answer = { problem: messageOf(error) };
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of node:worker_threads has none
    parentPort?.postMessage(answer);
  });
}
