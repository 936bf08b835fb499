import { lstat, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** rename(2) refuses a mount point (EBUSY), and on overlayfs a directory of a lower layer (EXDEV). */
const CANNOT_MOVE: ReadonlySet<string> = new Set(['EBUSY', 'EXDEV']);

/** A mount point, and a directory that holds one. */
const STILL_MOUNTED: ReadonlySet<string> = new Set(['EBUSY', 'ENOTEMPTY']);

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
    const code = codeOf(error);
    if (code === 'ENOENT') return;
    if (!CANNOT_MOVE.has(code)) throw error;
    await removeTree(directory);
    return;
  }
  await removeTree(hidden);
}

/** A process can leave directories that it made unreadable, or paths that are longer than the kernel takes. */
const HIDDEN: ReadonlySet<string> = new Set(['EACCES', 'ENAMETOOLONG']);

/** Removes a tree like `rm -rf`, also with directories of any mode and depth, but only empties mount points in it. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true }).catch(async (error: unknown) => {
      if (!HIDDEN.has(codeOf(error))) throw error;
      await removeHidden(path);
      await rm(path, { recursive: true, force: true });
    });
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error;
    for (const name of await readdir(path)) await removeTree(join(path, name));
    await rmdir(path).catch((failure: unknown) => {
      if (!STILL_MOUNTED.has(codeOf(failure))) throw failure;
    });
  }
}

/**
 * chmod(1) and rm(1) open each directory relative to its parent, so no path is too long, and they follow no link in the tree.
 * What they cannot remove is reported by the removal after them.
 */
async function removeHidden(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await execa('chmod', ['-R', 'u+rwx', '--', path], { reject: false, stdio: 'ignore' });
  await execa('rm', ['-rf', '--', path], { reject: false, stdio: 'ignore' });
}

/** Returns the target of a symbolic link; null for a missing path, a broken link, and everything else. */
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
