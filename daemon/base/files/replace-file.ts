import { constants, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { KeyedMutex } from '../keyed-mutex.ts';

/** Writes of one file would share its temporary file. */
const writes = new KeyedMutex();

export interface ReplaceOptions {
  mode: number;
  gid?: number;
  /**
   * Waits until the file is on the disk, so that it survives a power failure. False for files that are written too often to
   * wait: after a power failure they may have the old content, or none.
   */
  synced: boolean;
}

/**
 * Replaces a file atomically: readers see the old content or the new content, also after a crash.
 * Calls for the same path write in the order of the calls, so the content of the last one stays.
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array,
  options: ReplaceOptions,
): Promise<void> {
  return writes.run(resolve(path), () => writeAndRename(path, content, options));
}

async function writeAndRename(
  path: string,
  content: string | Uint8Array,
  { mode, gid, synced }: ReplaceOptions,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  // A crash may have left it. Always create the file: an existing one could be a link.
  await rm(temporary, { force: true });
  try {
    const file = await open(temporary, 'wx', 0o600);
    await writeAndClose(file, content, async () => {
      if (gid !== undefined) await file.chown(0, gid);
      await file.chmod(mode);
      if (synced) await file.sync();
    });
    await rename(temporary, path);
    if (synced) await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes a file and closes it. By default the content is on the disk when this returns. */
export async function writeAndClose(
  file: FileHandle,
  content: string | Uint8Array,
  finish: () => Promise<void> = () => file.sync(),
): Promise<void> {
  await using handle = file;
  await handle.writeFile(content);
  await finish();
}

/** Makes renames in a directory durable: without it, a power failure may undo them. */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}
