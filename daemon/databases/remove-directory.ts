import { lstat, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

/** rename(2) refuses a mount point (EBUSY), and on overlayfs a directory of a lower layer (EXDEV). */
const CANNOT_MOVE: ReadonlySet<string> = new Set(['EBUSY', 'EXDEV']);

/** A mount point, and a directory that holds one. */
const STILL_MOUNTED: ReadonlySet<string> = new Set(['EBUSY', 'ENOTEMPTY']);

/**
 * Removes a database's directory with everything in it. Where possible it disappears in one step, under the name `hidden`.
 * Symbolic links in place of the directory or its `pb_data` are followed, as an administrator sets them to move a database
 * to another disk; no other link is. A mount point is emptied and stays; the next removal of what holds it, after `umount`, removes it.
 */
export async function removeDatabaseDirectory(directory: string, hidden: string): Promise<void> {
  for (const link of [join(directory, 'pb_data'), directory]) {
    const target = await linkTarget(link);
    if (target !== null) await removeTree(target);
  }
  try {
    await rename(directory, hidden);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return;
    if (!CANNOT_MOVE.has(code)) throw error;
    await removeTree(directory);
    return;
  }
  await removeTree(hidden);
}

/** As `rm -rf`, but a mount point in it is emptied, not removed. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error;
    for (const name of await readdir(path)) await removeTree(join(path, name));
    await rmdir(path).catch((failure: unknown) => {
      if (!STILL_MOUNTED.has(codeOf(failure))) throw failure;
    });
  }
}

/** Where a symbolic link leads; null for what is no link, is not there or leads nowhere. */
async function linkTarget(path: string): Promise<string | null> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await realpath(path) : null;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
