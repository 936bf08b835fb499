import type { BackupFailureReason } from '../../../shared/backup-failure.ts';
import { messageOf } from '../../../shared/errors.ts';
import { isDiskFull, systemErrorCode } from '../../base/files/dir.ts';
import { BackupProblem, DamagedObject } from '../backup-problem.ts';
import type { NewObject, StoredObject, Target } from './target.ts';
import { LockedObject, TargetProblem, type TargetReason } from './target-problem.ts';

/** The target cannot be used now. The reason says whether it is full, away, or refuses. */
export class TargetFailure extends BackupProblem {
  override readonly name = 'TargetFailure';
  readonly reason: BackupFailureReason;
  /** What to do, without the message; null for the remedy of the reason. */
  readonly remedy: string | null;

  constructor(
    reason: Extract<BackupFailureReason, `target_${string}`>,
    message: string,
    { remedy = null, ...options }: { remedy?: string | null; cause?: unknown } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.remedy = remedy;
  }
}

/** The lock that has refused a deletion; null for another failure. */
export function lockOf(error: unknown): LockedObject | null {
  return error instanceof TargetFailure && error.cause instanceof LockedObject ? error.cause : null;
}

const REASONS = {
  credentials: 'target_denied',
  untrusted: 'target_denied',
  refused: 'target_denied',
  locked: 'target_denied',
  missing: 'target_away',
  away: 'target_away',
  slow: 'target_away',
  full: 'target_full',
} as const satisfies Record<TargetReason, BackupFailureReason>;

const DENIED: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS']);

/** A target whose errors have a reason, so that they differ from those of the database and of the host. */
export class NamedTarget implements Target {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  put(key: string, content: Uint8Array): Promise<void> {
    return named(() => this.#target.put(key, content));
  }

  putAll(objects: readonly NewObject[]): Promise<void> {
    return named(() => this.#target.putAll(objects));
  }

  get(key: string): Promise<Buffer | null> {
    return named(() => this.#target.get(key));
  }

  has(key: string): Promise<boolean> {
    return named(() => this.#target.has(key));
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    const objects = this.#target.list(prefix)[Symbol.asyncIterator]();
    for (;;) {
      const next = await named(() => objects.next());
      if (next.done === true) return;
      yield next.value;
    }
  }

  delete(key: string): Promise<void> {
    return named(() => this.#target.delete(key));
  }

  erase(key: string): Promise<void> {
    return named(() => this.#target.erase(key));
  }

  removeUnfinished(prefix: string, before: Date): Promise<void> {
    return named(() => this.#target.removeUnfinished(prefix, before));
  }

  eraseAll(prefix: string): Promise<void> {
    return named(() => this.#target.eraseAll(prefix));
  }
}

async function named<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TargetFailure || error instanceof DamagedObject) throw error;
    if (error instanceof TargetProblem)
      throw new TargetFailure(REASONS[error.reason], error.summary, {
        remedy: error.nextStep,
        cause: error,
      });
    throw new TargetFailure(reasonOf(error), messageOf(error), { cause: error });
  }
}

function reasonOf(error: unknown): 'target_full' | 'target_denied' | 'target_away' {
  if (isDiskFull(error)) return 'target_full';
  return DENIED.has(systemErrorCode(error)) ? 'target_denied' : 'target_away';
}
