import { constants, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Readers see the old file or the new one, never half of it, also after a crash.
 *
 * @param options.synced also after a power cut, when this has returned; false for what is written so often that it cannot wait
 * for the disk: a power cut may then bring the old file back, or leave an empty one
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  { mode, gid, synced }: { mode: number; gid?: number; synced: boolean },
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  // A crash may have left it. It is made anew, never written through a link that lies there.
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

/** On the disk when this returns, unless `finish` says otherwise. */
export async function writeAndClose(
  file: FileHandle,
  content: string | Uint8Array,
  finish: () => Promise<void> = () => file.sync(),
): Promise<void> {
  await using handle = file;
  await handle.writeFile(content);
  await finish();
}

/** Without it a power cut may undo a rename in there, after others went on from it. */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}
