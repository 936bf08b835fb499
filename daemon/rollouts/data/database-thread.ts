import { Worker } from 'node:worker_threads';
import { modulePath } from '../../base/package.ts';
import type { CarriedRows } from './carry-over.ts';
import type { DatabaseFacts } from './facts.ts';

const PROGRAM = modulePath('daemon/rollouts/data/database-thread-main');
/** SQL that takes longer is ended: the content of a database can make it take forever. */
const TIMEOUT_MS = 600_000;

/** `file` is a `data.db`. */
export type ThreadWork =
  | { kind: 'facts'; file: string; ownerId: string }
  | { kind: 'check'; file: string }
  | { kind: 'integrity'; file: string }
  | { kind: 'vacuum'; file: string; target: string }
  | { kind: 'carry'; file: string; from: string };

interface Results {
  facts: DatabaseFacts;
  /** `ok`, or the first problem. */
  check: string;
  /** See `findDamage`. */
  integrity: string | null;
  vacuum: null;
  carry: CarriedRows;
}

export interface ThreadRequest {
  id: number;
  work: ThreadWork;
}

export type ThreadResult = { id: number; value: unknown } | { id: number; problem: string };

/** SQL on databases of users in a thread of its own: it takes long for many rows, and the daemon must answer meanwhile. */
export class DatabaseThread {
  #worker: Worker | null = null;
  #last = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();

  /** @throws the error of SQLite as text */
  async run<const W extends ThreadWork>(work: W): Promise<Results[W['kind']]> {
    this.#last += 1;
    const id = this.#last;
    const result = Promise.withResolvers<unknown>();
    this.#waiting.set(id, result);
    const timer = setTimeout(() => {
      this.#fail(`${work.file} was not read within ${TIMEOUT_MS / 1000} s`);
    }, TIMEOUT_MS);
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
      this.#start().postMessage({ id, work } satisfies ThreadRequest);
      return (await result.promise) as Results[W['kind']];
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Ends the thread. The next call starts another one. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(PROGRAM);
    worker.unref();
    worker.on('message', (result: ThreadResult) => {
      const waiting = this.#waiting.get(result.id);
      if ('problem' in result) waiting?.reject(new Error(result.problem));
      else waiting?.resolve(result.value);
    });
    worker.on('error', (error) => this.#fail(error.message));
    this.#worker = worker;
    return worker;
  }

  #fail(problem: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(problem));
    void this.close();
  }
}
