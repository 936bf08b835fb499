import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import type { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import { BackupProblem } from '../backup-problem.ts';

/**
 * Ends the sessions in data that was restored, in a process that can be ended: the content is the owner's.
 *
 * @throws BackupProblem
 */
export async function endSessions(
  staged: string,
  { id }: { id: string },
  thread: DatabaseThread,
): Promise<void> {
  try {
    await thread.run({ kind: 'end-sessions', file: join(staged, 'data.db') });
  } catch (error) {
    throw new BackupProblem(`the sessions of the backup ${id} cannot be ended: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
