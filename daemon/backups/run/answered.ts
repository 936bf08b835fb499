import { BACKUP_REMEDIES } from '../../../shared/backup-failure.ts';
import { FathomError } from '../../../shared/errors.ts';
import { BackupFailed } from './backup-processes.ts';

/** The result of work in a process; its failure as an error for a caller. @throws FathomError `backup.failed` */
export async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof BackupFailed)) throw error;
    const { reason, summary, remedy } = error;
    throw new FathomError('backup.failed', `${reason}: ${summary}; ${remedy ?? BACKUP_REMEDIES[reason]}`, {
      cause: error,
    });
  }
}
