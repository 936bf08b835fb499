import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import type { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import { BackupProblem } from '../backup-problem.ts';

/**
 * Gives a `pb_data` of another database to an owner: no access of before is left, and the record of its owner gets the id of
 * this one. SQL runs in a process that can be ended.
 *
 * @throws BackupProblem
 */
export async function adoptData(
  dataDir: string,
  ownerId: string,
  thread: Pick<DatabaseThread, 'run'>,
): Promise<void> {
  try {
    const { former, usersId } = await thread.run({ kind: 'adopt', file: join(dataDir, 'data.db'), ownerId });
    if (former === ownerId) return;
    const directory = join(dataDir, 'storage', usersId);
    const files = join(directory, former);
    if (!(await exists(files))) return;
    // Without a record.
    await removeTree(join(directory, ownerId));
    await rename(files, join(directory, ownerId));
  } catch (error) {
    throw new BackupProblem(`the database of the archive cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
