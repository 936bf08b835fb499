import { copyFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory } from '../../base/files/dir.ts';
import type { Clock } from '../../base/time/clock.ts';
import { processStat } from '../process/procfs.ts';
import { DATABASES, glance, type OpenFile, openFiles } from './data-state.ts';

/** Of the directories that hold what was saved, which are hidden and never removed by Fathom. */
export const RESCUED_PREFIX = '.rescued-';

/** A halted process may be in the middle of a system call for a moment. */
const HALT_LOOK_MS = 2;
const HALT_LOOKS = 500;

/**
 * Copies the database files that a process has open and that would be lost with it: deleted ones, and a WAL that was
 * separated from its database. What was moved as a whole is complete where it is. Call it for a halted process only, and
 * kill that afterwards.
 *
 * @param directory the instance's directory, beside which the copy is put
 * @returns the directory with the copies, or null when there was nothing to save
 * @throws the error of the copy, of which nothing is left
 */
export async function rescueFiles(
  pid: number,
  directory: string,
  { now, clock }: { now: Date; clock: Clock },
): Promise<string | null> {
  await halted(pid, clock);
  const open = (await openFiles(pid)) ?? [];
  const files = DATABASES.flatMap((name) => {
    const pair = open.filter(({ role }) => role === name || role === `${name}-wal`);
    return isAtRisk(pair) ? pair : [];
  });
  if (files.length === 0) return null;
  const stamp = now.toISOString().replaceAll(':', '');
  const rescued = join(dirname(directory), `${RESCUED_PREFIX}${basename(directory)}-${stamp}`);
  const copies = join(rescued, 'pb_data');
  try {
    await makeDirectory(copies);
    for (const { role, handle } of files) await copyFile(handle, join(copies, role));
    await reuniteWals(files, join(directory, 'pb_data'));
  } catch (error) {
    await rm(rescued, { recursive: true, force: true });
    throw error;
  }
  return copies;
}

async function halted(pid: number, clock: Clock): Promise<void> {
  for (let look = 0; look < HALT_LOOKS; look += 1) {
    const state = processStat(pid)?.state;
    if (state === undefined || state === 'T' || state === 't') return;
    await clock.sleep(HALT_LOOK_MS);
  }
}

/** Without the process, a file would be gone, or a WAL would not lie beside its database. */
function isAtRisk(files: readonly OpenFile[]): boolean {
  const directories = new Set(files.map(({ path }) => dirname(path)));
  return directories.size > 1 || files.some(({ deleted, path, role }) => deleted || basename(path) !== role);
}

/**
 * SQLite applies a WAL to whatever database lies beside it. One that was left beside another database is removed; one
 * that was deleted from beside its own is put back, so that the next start finds the latest changes.
 */
async function reuniteWals(files: readonly OpenFile[], dataDir: string): Promise<void> {
  for (const name of DATABASES) {
    const wal = files.find(({ role }) => role === `${name}-wal`);
    if (!wal) continue;
    const path = join(dataDir, `${name}-wal`);
    const onDisk = glance(path);
    const database = glance(join(dataDir, name))?.identity ?? null;
    const isOwn = files.some(({ role, identity }) => role === name && identity === database);
    if (isOwn && (onDisk === null || onDisk.size === 0)) await copyFile(wal.handle, path);
    else if (!isOwn && onDisk?.identity === wal.identity) await rm(path);
    else continue;
    await rm(join(dataDir, `${name}-shm`), { force: true });
  }
}
