import { constants, copyFile, lstat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** What a copy leaves free: at most a part of the disk. */
const MIN_LEFT_BYTES = 128 * 1024 * 1024;
const MIN_LEFT_PART = 20;

/**
 * Copies a file. The copy shares its blocks where the file system can. Databases write to the same disk, so a copy that takes
 * space leaves some.
 *
 * @throws the error of the file system, or one with the code ENOSPC before the copy would fill the disk
 */
export async function cloneOrCopy(from: string, to: string): Promise<void> {
  const isCloned = await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    () => false,
  );
  if (isCloned) return;
  const { size } = await lstat(from);
  const { bavail, blocks, bsize } = await statfs(dirname(to));
  const left = bavail * bsize - size;
  if (left < Math.min(MIN_LEFT_BYTES, (blocks * bsize) / MIN_LEFT_PART)) {
    throw Object.assign(
      new Error(
        `the disk has no space for a copy of its data: ${basename(from)} has ${mib(size)} MiB, and ${mib(bavail * bsize)} MiB are free`,
      ),
      { code: 'ENOSPC' },
    );
  }
  await copyFile(from, to);
}

function mib(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
