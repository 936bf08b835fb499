import { constants, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Readers see the old file or the new one, never half of it; a crash or a power cut leaves one of the two. */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  { mode, gid }: { mode: number; gid?: number },
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  // A crash may have left it. It is made anew, never written through a link that lies there.
  await rm(temporary, { force: true });
  try {
    await writeAndClose(await open(temporary, 'wx', 0o600), content, async (file) => {
      if (gid !== undefined) await file.chown(0, gid);
      await file.chmod(mode);
    });
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** On the disk when this returns. */
export async function writeAndClose(
  file: FileHandle,
  content: string | Uint8Array,
  finish: (file: FileHandle) => Promise<void> = async () => {},
): Promise<void> {
  await using handle = file;
  await handle.writeFile(content);
  await finish(handle);
  await handle.sync();
}

/** Without it a power cut may undo a rename in there, after others went on from it. */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}
