import { randomUUID } from 'node:crypto';
import { chmod, lstat, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode, unlessMissing } from './dir.ts';

/** A mount point, and a directory that holds one. */
const STILL_MOUNTED: ReadonlySet<string | undefined> = new Set(['EBUSY', 'ENOTEMPTY']);

/** rename(2) refuses a mount point (EBUSY), and on overlayfs a directory of a lower layer (EXDEV). */
export const CANNOT_MOVE: ReadonlySet<string | undefined> = new Set(['EBUSY', 'EXDEV']);

/** A process can leave directories that it made unreadable, or paths that are longer than the kernel takes. */
export const HIDDEN: ReadonlySet<string | undefined> = new Set(['EACCES', 'ENAMETOOLONG']);

/** Removes a tree like `rm -rf`, also with directories of any mode and depth, but only empties mount points in it. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true }).catch(async (error: unknown) => {
      if (!HIDDEN.has(systemErrorCode(error))) throw error;
      // What it cannot remove is reported by the removal after it.
      await removeHidden(path).catch(() => {});
      await rm(path, { recursive: true, force: true });
    });
  } catch (error) {
    if (systemErrorCode(error) !== 'EBUSY') throw error;
    for (const name of await readdir(path)) await removeTree(join(path, name));
    await rmdir(path).catch((failure: unknown) => {
      if (!STILL_MOUNTED.has(systemErrorCode(failure))) throw failure;
    });
  }
}

/**
 * Moves each directory up to the root of the tree before it reads it, so that no path is too long. Follows no link. After an
 * error, `rm` continues to remove other entries, so entries can be missing.
 */
async function removeHidden(root: string): Promise<void> {
  if (!(await lstat(root)).isDirectory()) return;
  const moved = join(root, randomUUID());
  const waiting = [root];
  for (let count = 0; ; ) {
    const directory = waiting.pop();
    if (directory === undefined) return;
    await chmod(directory, 0o700).catch(unlessMissing);
    const entries = await readdir(directory, { withFileTypes: true }).catch(unlessMissing);
    for (const entry of entries ?? []) {
      const path = join(directory, entry.name);
      if (!entry.isDirectory()) {
        await unlink(path).catch(unlessMissing);
        continue;
      }
      count += 1;
      const target = `${moved}-${count}`;
      waiting.push(target);
      // A directory can be moved only by a user who can write it.
      await chmod(path, 0o700).catch(unlessMissing);
      await rename(path, target).catch(unlessMissing);
    }
    if (directory !== root) await rmdir(directory).catch(unlessMissing);
  }
}
