import { FathomError } from '../../../shared/errors.ts';
import { isDiskFull, systemErrorCode } from '../../base/files/dir.ts';
import { CANNOT_MOVE } from '../../base/files/remove-tree.ts';
import { UnsafeDatabase } from '../../pocketbase/data/schema-check.ts';
import { isFull } from '../../pocketbase/data/sqlite.ts';
import { BackupProblem } from '../backup-problem.ts';
import { BackupFailed } from '../run/backup-processes.ts';

/** The error for a caller. Until the swap, the database is as before. */
export function describeFailure(error: unknown, name: string): unknown {
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
