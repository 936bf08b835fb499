import { constants, copyFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory } from '../../base/files/dir.ts';
import type { Clock } from '../../base/time/clock.ts';
import { processStat } from '../process/procfs.ts';
import { DATABASES, fileState, type OpenFile, openFiles } from './data-state.ts';

/** The prefix of directories with rescued files, which Fathom never removes. */
export const RESCUED_PREFIX = '.rescued-';

/** A stopped process may first have to return from a system call. */
const STOP_POLL_MS = 2;
const STOP_POLLS = 500;

/**
 * Copies open database files that would be lost when their process ends: deleted files, and a WAL that is not beside its
 * database. A database that was moved together with its WAL is complete. The process must be stopped (SIGSTOP); kill it
 * afterwards.
 *
 * @param directory of the instance; the copies are put beside it
 * @returns the directory with the copies; null when no file is at risk
 * @throws the error of the copy, after removing the incomplete copy
 */
export async function rescueFiles(
  pid: number,
  directory: string,
  { now, clock }: { now: Date; clock: Clock },
): Promise<string | null> {
  await waitUntilStopped(pid, clock);
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
    await restoreWals(files, join(directory, 'pb_data'));
  } catch (error) {
    await rm(rescued, { recursive: true, force: true });
    throw error;
  }
  return copies;
}

async function waitUntilStopped(pid: number, clock: Clock): Promise<void> {
  for (let poll = 0; poll < STOP_POLLS; poll += 1) {
    const state = processStat(pid)?.state;
    if (state === undefined || state === 'T' || state === 't') return;
    await clock.sleep(STOP_POLL_MS);
  }
}

/** Whether one of the files is deleted or renamed, or the WAL is not beside its database. */
function isAtRisk(files: readonly OpenFile[]): boolean {
  const directories = new Set(files.map(({ path }) => dirname(path)));
  return directories.size > 1 || files.some(({ deleted, path, role }) => deleted || basename(path) !== role);
}

/**
 * Removes a WAL that was left beside another database, because SQLite would apply it to that database. Restores a WAL that
 * was deleted beside its own database, so that the next start has the latest changes.
 */
async function restoreWals(files: readonly OpenFile[], dataDir: string): Promise<void> {
  for (const name of DATABASES) {
    const wal = files.find(({ role }) => role === `${name}-wal`);
    if (!wal) continue;
    const path = join(dataDir, `${name}-wal`);
    const onDisk = fileState(path);
    const database = fileState(join(dataDir, name))?.identity ?? null;
    const isOwn = files.some(({ role, identity }) => role === name && identity === database);
    if (isOwn && (onDisk === null || onDisk.size === 0)) {
      // A named pipe would block the copy, and a link lead to another file.
      await rm(path, { force: true });
      await copyFile(wal.handle, path, constants.COPYFILE_EXCL);
    } else if (!isOwn && onDisk?.identity === wal.identity) await rm(path);
    else continue;
    await rm(join(dataDir, `${name}-shm`), { force: true });
  }
}
