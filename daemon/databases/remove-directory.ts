import { lstat, realpath, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../base/files/dir.ts';
import { CANNOT_MOVE, removeTree } from '../base/files/remove-tree.ts';

/**
 * Removes the directory of a database with all its data. If possible it is first renamed to `hidden`, in one step.
 *
 * - Symbolic links in place of the directory or its `pb_data` are followed, because administrators use them to move a database
 *   to another disk. Other links are not.
 * - A mount point is emptied and stays. The next removal of its parent, after `umount`, removes it.
 */
export async function removeDatabaseDirectory(directory: string, hidden: string): Promise<void> {
  for (const link of [join(directory, 'pb_data'), directory]) {
    const target = await linkTarget(link);
    if (target !== null) await removeTree(target);
  }
  try {
    await rename(directory, hidden);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return;
    if (!CANNOT_MOVE.has(code)) throw error;
    await removeTree(directory);
    return;
  }
  await removeTree(hidden);
}

/** Returns the target of a symbolic link; null for a missing path, a broken link, and everything else. */
async function linkTarget(path: string): Promise<string | null> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await realpath(path) : null;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
