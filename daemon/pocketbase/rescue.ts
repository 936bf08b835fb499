import { copyFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory } from '../base/dir.ts';
import { openFiles } from './data-state.ts';

/** Of the directories that hold what was saved, which are hidden and never removed by Fathom. */
export const RESCUED_PREFIX = '.rescued-';

/**
 * Copies the database files that a process still has open although they were deleted: until it ends, they are all there.
 * The process has to stand still meanwhile.
 *
 * @param directory the instance's directory, beside which the copy is put
 * @returns where the copies are, or null when there was nothing to save
 */
export async function rescueDeleted(pid: number, directory: string, now: Date): Promise<string | null> {
  const files = ((await openFiles(pid)) ?? []).filter(({ deleted }) => deleted);
  if (!files.some(({ path }) => basename(path) === 'data.db')) return null;
  const stamp = now.toISOString().replaceAll(':', '');
  const rescued = join(dirname(directory), `${RESCUED_PREFIX}${basename(directory)}-${stamp}`, 'pb_data');
  await makeDirectory(rescued);
  for (const { path, handle } of files) await copyFile(handle, join(rescued, basename(path)));
  return rescued;
}
