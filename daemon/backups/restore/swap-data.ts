import { existsSync, renameSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { exists, unlessMissing } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { replaceFile, syncDirectory } from '../../base/files/replace-file.ts';
import { BEFORE_PREFIX, dataDirOf, restoreDirOf } from '../../supervisor/instance-spec.ts';

/*
 * A restore puts another `pb_data` into the place of the present one:
 *
 *   NAME/restore/pb_data             the restored data, complete and tested
 *   NAME/restore/swap.json           the restored data is to be used from now on
 *   NAME/pb_data.before-TIME         the data from before the restore; `.before-TIME-owner` when the owner restored
 *
 *   staged ─▶ swap.json ─▶ pb_data becomes .before-TIME ─▶ restore/pb_data becomes pb_data ─▶ no restore/
 *
 * An interruption before `swap.json` undoes the restore: `restore/` is removed. After it, the next daemon finishes the restore.
 */

const OWNER_SUFFIX = '-owner';

const swapSchema = z.strictObject({
  backup: z.string(),
  /** The name that `pb_data` gets; null when there was none. */
  before: z.string().nullable(),
});

export type Swap = z.infer<typeof swapSchema>;

/** Null for a restore that is not to be finished. */
export async function readSwap(directory: string): Promise<Swap | null> {
  const content = await readFile(swapFileOf(directory), 'utf8').catch(unlessMissing);
  return content === null ? null : swapSchema.parse(JSON.parse(content));
}

/** From here on, an interruption finishes the restore. No process of the database runs. */
export async function beginSwap(
  directory: string,
  backup: string,
  { now, isOwner }: { now: Date; isOwner: boolean },
): Promise<Swap> {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('.', '-');
  const before = (await exists(dataDirOf(directory)))
    ? `${BEFORE_PREFIX}${stamp}${isOwner ? OWNER_SUFFIX : ''}`
    : null;
  const swap: Swap = { backup, before };
  await replaceFile(swapFileOf(directory), JSON.stringify(swap), { mode: 0o600, synced: true });
  await syncDirectory(directory);
  return swap;
}

/**
 * Does what is left of a swap. Synchronous: no account can be written to the old data after it was written to the new data.
 *
 * @param adjust updates the restored data right before it is in place
 * @param onMoved called when the old data has its new name
 */
export function moveData(
  directory: string,
  { before }: Swap,
  { adjust, onMoved }: { adjust: (dataDir: string) => void; onMoved: () => void },
): void {
  const [dataDir, restored] = [dataDirOf(directory), dataDirOf(restoreDirOf(directory))];
  if (!existsSync(restored)) return;
  adjust(restored);
  if (before !== null && !existsSync(join(directory, before))) renameSync(dataDir, join(directory, before));
  onMoved();
  renameSync(restored, dataDir);
}

/** The restored data is on the disk, and stays. */
export async function endSwap(directory: string): Promise<void> {
  await syncDirectory(directory);
  await removeRestore(directory);
}

/** Removes the data that earlier restores by the owner have kept. */
export async function removeFormer(directory: string, { before }: Swap): Promise<void> {
  for (const name of await readdir(directory))
    if (name.startsWith(BEFORE_PREFIX) && name.endsWith(OWNER_SUFFIX) && name !== before)
      await removeTree(join(directory, name));
}

/** Removes what a restore has prepared. */
export async function removeRestore(directory: string): Promise<void> {
  // A part of it must not be taken for a restore that is to be finished.
  await removeTree(swapFileOf(directory));
  await removeTree(restoreDirOf(directory));
}

function swapFileOf(directory: string): string {
  return join(restoreDirOf(directory), 'swap.json');
}
