import { statSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../shared/errors.ts';
import { modulePath } from '../../base/package.ts';
import { ProcessEnded, ProcessPool, ProcessTimeout } from '../../base/process-pool.ts';

const PROGRAM = modulePath('daemon/pocketbase/data/sql-process-main');
const IDLE_MS = 30_000;
/** Time for work on a small file. A slow disk reads the rest. */
const BASE_TIMEOUT_MS = 60_000;
const BYTES_PER_MS = 5_000;
/** Of one value. SQLite refuses larger ones. */
export const MAX_SQL_VALUE_BYTES = 256 * 1024 * 1024;

/** What a program answers. */
type SqlAnswer = { value: unknown } | { problem: string };

/**
 * Runs SQL on files of users in processes of their own. The content of such a file can make SQLite run for ever and take any
 * amount of memory, and a thread of the daemon could not be ended then, nor the daemon itself.
 */
export class SqlProcesses {
  readonly #pool: ProcessPool;
  readonly #timeoutOf: (bytes: number) => number;

  /**
   * @param program a module that calls `answerSqlWork`
   * @param timeoutOf milliseconds for work on a file of a size
   */
  constructor(program: string, timeoutOf = (bytes: number) => BASE_TIMEOUT_MS + bytes / BYTES_PER_MS) {
    this.#pool = new ProcessPool({ program: PROGRAM, args: [program], env: {}, idleMs: IDLE_MS });
    this.#timeoutOf = timeoutOf;
  }

  /** @throws the error of SQLite as text, or an Error when the work takes too long */
  async run(work: { file: string }): Promise<unknown> {
    const { file } = work;
    const timeoutMs = this.#timeoutOf(statSync(file, { throwIfNoEntry: false })?.size ?? 0);
    let answer: SqlAnswer;
    try {
      answer = (await this.#pool.ask(work, { timeoutMs })) as SqlAnswer;
    } catch (error) {
      if (!(error instanceof ProcessEnded || error instanceof ProcessTimeout)) throw error;
      throw new Error(`${file} was not read: ${error.message}`, { cause: error });
    }
    if ('problem' in answer) throw new Error(answer.problem);
    return answer.value;
  }

  /** Ends all processes. The next work starts others. */
  close(): Promise<void> {
    return this.#pool.close();
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
