import { Worker } from 'node:worker_threads';
import type { BackupFailureReason } from '../../../shared/backup-failure.ts';
import { modulePath } from '../../base/package.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { BackupResults, BackupWork } from './backup-work.ts';

/** A thread without work ends after this time. */
const IDLE_MS = 10_000;
const PROGRAM = modulePath('daemon/backups/run/backup-thread-main');

export interface NamedFailure {
  reason: BackupFailureReason;
  message: string;
}

export type ThreadRequest = BackupWork | 'end';

export type ThreadAnswer = { value: unknown } | { failure: NamedFailure };

/** An error of a thread, with its reason. */
export class BackupFailed extends Error {
  override readonly name = 'BackupFailed';
  readonly reason: BackupFailureReason;

  constructor({ reason, message }: NamedFailure) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Threads for work that takes long, so that the event loop of the daemon stays free. A thread does one thing at a time. It
 * ends soon when there is nothing to do, because its memory is not small.
 */
export class BackupThreads {
  readonly #slots: Semaphore;
  readonly #idle: Worker[] = [];
  readonly #busy = new Set<Worker>();
  #idleTimer: NodeJS.Timeout | undefined;
  readonly #closed = new AbortController();

  constructor(parallel: number) {
    this.#slots = new Semaphore(parallel);
  }

  /** @throws BackupFailed */
  async run<const W extends BackupWork>(
    work: W,
    { isUrgent = false } = {},
  ): Promise<BackupResults[W['kind']]> {
    const release = await this.#slots.acquire(this.#closed.signal, { isUrgent });
    if (!release) throw closed();
    clearTimeout(this.#idleTimer);
    try {
      return (await this.#runIn(this.#idle.pop() ?? this.#start(), work)) as BackupResults[W['kind']];
    } finally {
      release();
      if (this.#slots.held === 0) this.#idleTimer = setTimeout(() => this.endIdle(), IDLE_MS).unref();
    }
  }

  /** Ends all threads. Work in progress fails; what it has stored is used by the next backup. */
  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#idleTimer);
    await Promise.all([...this.#idle.splice(0), ...this.#busy].map(end));
  }

  /** The next work begins with nothing that is known about the target. */
  endIdle(): void {
    for (const worker of this.#idle.splice(0)) void end(worker);
  }

  #start(): Worker {
    const worker = new Worker(PROGRAM);
    // Its work fails by its own listeners. Without any, an error would end the daemon.
    worker.on('error', () => {});
    worker.on('exit', () => {
      const at = this.#idle.indexOf(worker);
      if (at !== -1) this.#idle.splice(at, 1);
    });
    return worker;
  }

  async #runIn(worker: Worker, work: BackupWork): Promise<unknown> {
    const answered = Promise.withResolvers<ThreadAnswer>();
    const onExit = () => answered.reject(this.#closed.signal.aborted ? closed() : died('it ended'));
    const onError = (error: Error) => answered.reject(died(error.message));
    worker.on('message', answered.resolve).on('error', onError).on('exit', onExit);
    this.#busy.add(worker);
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
      worker.postMessage(work);
      const answer = await answered.promise;
      if ('failure' in answer) {
        // What it knows about the target may not be true any more.
        void end(worker);
        throw new BackupFailed(answer.failure);
      }
      this.#idle.push(worker);
      return answer.value;
    } finally {
      this.#busy.delete(worker);
      worker.off('message', answered.resolve).off('error', onError).off('exit', onExit);
    }
  }
}

/** Not by `terminate`: Node 24 aborts the whole process when it interrupts zstd. */
async function end(worker: Worker): Promise<void> {
  // It has ended.
  if (worker.threadId === -1) return;
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  const request: ThreadRequest = 'end';
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
  worker.postMessage(request);
  await exit;
}

function died(why: string): BackupFailed {
  return new BackupFailed({ reason: 'failed', message: `the thread of the backup failed: ${why}` });
}

function closed(): BackupFailed {
  return new BackupFailed({ reason: 'failed', message: 'the daemon stops' });
}
