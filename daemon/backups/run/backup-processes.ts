import type { BackupFailureReason } from '../../../shared/backup-failure.ts';
import { messageOf } from '../../../shared/errors.ts';
import { modulePath } from '../../base/package.ts';
import { ProcessEnded, ProcessPool } from '../../base/process-pool.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { NamedFailure } from '../backup-problem.ts';
import type { BackupResults, BackupWork } from './backup-work.ts';

const PROGRAM = modulePath('daemon/backups/run/backup-process-main');
const IDLE_MS = 10_000;
/** For calls that wait for a disk. */
const THREADS = 16;

export type ProcessAnswer = { value: unknown } | { failure: NamedFailure };

/** An error of a process, with its reason. The message also has the remedy, if it is not that of the reason. */
export class BackupFailed extends Error {
  override readonly name = 'BackupFailed';
  readonly reason: BackupFailureReason;
  /** The message without the remedy. */
  readonly summary: string;
  /** Null for that of the reason. */
  readonly remedy: string | null;
  readonly lockedUntil: Date | null;
  /** The backup cannot be used, and an earlier one may be. */
  readonly isOfBackup: boolean;

  constructor(
    { reason, message, remedy, lockedUntil, isOfBackup = false }: NamedFailure,
    options?: { cause: unknown },
  ) {
    super(remedy === undefined ? message : `${message}; ${remedy}`, options);
    this.reason = reason;
    this.summary = message;
    this.remedy = remedy ?? null;
    this.lockedUntil = lockedUntil ?? null;
    this.isOfBackup = isOfBackup;
  }
}

export function failed(reason: BackupFailureReason, message: string): BackupFailed {
  return new BackupFailed({ reason, message });
}

/** A failure to show. */
export interface ShownFailure {
  reason: BackupFailureReason;
  message: string;
  /** Null for that of the reason. */
  remedy: string | null;
}

export function shownFailureOf(error: unknown): ShownFailure {
  if (!(error instanceof BackupFailed)) return { reason: 'failed', message: messageOf(error), remedy: null };
  const { reason, summary: message, remedy } = error;
  return { reason, message, remedy };
}

/** Whether a backup failed because a disk is full. */
export function isOfSpace(error: unknown): boolean {
  return error instanceof BackupFailed && (error.reason === 'disk_full' || error.reason === 'target_full');
}

/**
 * Processes for work that takes long. The event loop of the daemon stays free, and an error in native code, such as that of
 * a thread that is ended while it compresses, ends a backup and not the daemon. Each process does one thing at a time, and
 * ends soon when there is nothing to do, because its memory is not small.
 */
export class BackupProcesses {
  readonly #slots: Semaphore;
  readonly #pool: ProcessPool;
  readonly #closed = new AbortController();

  constructor(parallel: number, program = PROGRAM) {
    this.#slots = new Semaphore(parallel);
    const env = { ...process.env, UV_THREADPOOL_SIZE: String(THREADS) };
    this.#pool = new ProcessPool({ program, env, idleMs: IDLE_MS });
  }

  /** @param options.onBytes called with the bytes that a restore has read @throws BackupFailed */
  async run<const W extends BackupWork>(
    work: W,
    { isUrgent = false, onBytes }: { isUrgent?: boolean; onBytes?: (bytes: number) => void } = {},
  ): Promise<BackupResults[W['kind']]> {
    const release = await this.#slots.acquire(this.#closed.signal, { isUrgent });
    if (!release) throw closed();
    try {
      const answer = (await this.#pool.ask(work, {
        onNote: (bytes) => onBytes?.(Number(bytes)),
      })) as ProcessAnswer;
      if ('failure' in answer) throw new BackupFailed(answer.failure);
      return answer.value as BackupResults[W['kind']];
    } catch (error) {
      // What they know about the target may not be true any more.
      this.#pool.endIdle();
      if (!(error instanceof ProcessEnded)) throw error;
      throw this.#closed.signal.aborted
        ? closed()
        : new BackupFailed(
            { reason: 'failed', message: `the ${nameOf(work)} failed: ${error.message}` },
            { cause: error },
          );
    } finally {
      release();
    }
  }

  /** Ends all processes. Work in progress fails; what it has stored is used by the next backup. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#pool.close();
  }

  /** The next work begins with nothing that is known about the target. */
  endIdle(): void {
    this.#pool.endIdle();
  }
}

function nameOf({ kind }: BackupWork): string {
  if (kind === 'archive' || kind === 'unpack') return 'import';
  return kind === 'find' || kind === 'restore' ? 'restore' : 'backup';
}

function closed(): BackupFailed {
  return new BackupFailed({ reason: 'failed', message: 'the daemon stops' });
}
