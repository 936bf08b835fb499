import type { EndedRestore } from '../../../shared/api/backups.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { isDiskFull, systemErrorCode } from '../../base/files/dir.ts';
import { CANNOT_MOVE } from '../../base/files/remove-tree.ts';
import type { Clock } from '../../base/time/clock.ts';
import { UnsafeDatabase } from '../../pocketbase/data/schema-check.ts';
import { isFull } from '../../pocketbase/data/sqlite.ts';
import { BackupProblem } from '../backup-problem.ts';
import { BackupFailed } from '../run/backup-processes.ts';

export const UNDONE = new FathomError(
  'conflict',
  'the daemon ended during the restore, so the database is as before; restore it again',
);

/** The error for a caller. Until the swap, the database is as before. */
function describeFailure(error: unknown, name: string): unknown {
  if (error instanceof FathomError) return error;
  const cause = { cause: error };
  const isNamedFull = error instanceof BackupFailed && error.reason === 'disk_full';
  if (isNamedFull || isDiskFull(error) || isFull(error))
    return new FathomError(
      'backup.failed',
      `the disk is full, so ${name} was not restored and is as before; free some space, then restore it again`,
      cause,
    );
  if (CANNOT_MOVE.has(systemErrorCode(error)))
    return new FathomError(
      'backup.failed',
      `pb_data of ${name} is a mount point, or lies in a layer of a container, so it cannot be exchanged; the database is as before. Move its data into a plain directory, then restore it again`,
      cause,
    );
  const kinds = [BackupFailed, BackupProblem, UnsafeDatabase];
  if (error instanceof Error && kinds.some((kind) => error instanceof kind))
    return new FathomError(
      'backup.failed',
      `${name} was not restored and is as before: ${error.message}`,
      cause,
    );
  return error;
}

/** How the last restore of each database ended, since the start of the daemon. */
export class EndedRestores {
  readonly #clock: Clock;
  readonly #last = new Map<string, EndedRestore>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(database: string): EndedRestore | null {
    return this.#last.get(database) ?? null;
  }

  /** @param failure null when it did not fail */
  add(database: string, backup: string, failure: unknown): void {
    const problem = failure === null ? null : problemOf(failure);
    this.#last.set(database, { backup, ended_at: this.#clock.now().toISOString(), problem });
  }

  /** @returns the error for the caller */
  addFailed(database: string, backup: string, error: unknown): unknown {
    const failure = describeFailure(error, database);
    this.add(database, backup, failure);
    return failure;
  }
}

function problemOf(failure: unknown): NonNullable<EndedRestore['problem']> {
  if (failure instanceof FathomError) return { code: failure.code, detail: failure.message };
  return { code: 'internal', detail: messageOf(failure) };
}
