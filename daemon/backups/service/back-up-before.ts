import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import { BackupFailed } from '../run/backup-processes.ts';
import type { BackupSubject, Backups } from './backups.ts';

/** See `backUpBefore`. Null when databases are not backed up before changes. */
export type BackUpBefore = ((name: string, change: RequestedChange) => Promise<void>) | null;

/** A change of a database that was requested. */
export interface RequestedChange {
  what: 'restore' | 'pin';
  /** Goes on when the backup fails. */
  withoutBackup: boolean;
}

export interface BackUpBeforeDeps {
  backups: Pick<Backups, 'create'>;
  subjects: { find: (name: string) => BackupSubject | null };
  log: Logger;
}

/**
 * Backs up a database before a change, unless its last backup is current or it has no data.
 *
 * @throws FathomError `backup.failed` when the backup fails, and the change does not go on without it. A restore of a damaged
 * database goes on
 */
export async function backUpBefore(
  name: string,
  { what, withoutBackup }: RequestedChange,
  { backups, subjects, log }: BackUpBeforeDeps,
): Promise<void> {
  const subject = subjects.find(name);
  if (subject === null || !existsSync(join(subject.dataDir, 'data.db'))) return;
  try {
    await backups.create(subject, { onlyChanged: true });
  } catch (error) {
    const problem = `the backup of ${name} before the ${what} failed: ${messageOf(error)}`;
    // A restore is what a damaged database needs, and keeps its data.
    const isReplaced =
      what === 'restore' && error instanceof BackupFailed && error.reason === 'database_damaged';
    if (!withoutBackup && !isReplaced)
      throw new FathomError(
        'backup.failed',
        `${problem}; the database is as before. Correct the cause, or run the command with --without-backup`,
        { cause: error },
      );
    log.warn({ instance: name }, `${problem}; the ${what} goes on`);
  }
}
