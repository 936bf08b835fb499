import { lstat, readdir, readlink, realpath, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { exists, unlessMissing } from '../../base/files/dir.ts';

/**
 * Files that a process of PocketBase writes before they get their name: the name, the time in nanoseconds, `.tmp`. A process
 * that is killed leaves them, and no record names them.
 */
const UNFINISHED = /\.([0-9a-f]{16})\.tmp$/;
/** PocketBase writes it before a file gets its name, so a file of a record with such a name has it. */
const ATTRIBUTES = '.attrs';

/** Whether a file below `storage` can be an unfinished upload. */
export function maybeUnfinished(path: string): boolean {
  return path.includes('/storage/') && UNFINISHED.test(path);
}

/**
 * Removes unfinished uploads of processes that have ended: they were begun before the process that runs now, which does not
 * have them open.
 *
 * @param paths see `maybeUnfinished`
 * @returns the removed files and their bytes on the disk
 */
export async function removeUnfinished(
  paths: readonly string[],
  { pid, startedAt }: { pid: number; startedAt: Date },
): Promise<{ files: number; bytes: number }> {
  const removed = { files: 0, bytes: 0 };
  if (paths.length === 0) return removed;
  const open = await openFiles(pid);
  for (const path of paths) {
    if (open.has(path) || beginOf(path) >= startedAt.getTime()) continue;
    const found = await lstat(path).catch(unlessMissing);
    // A process could replace a directory by a link to another one.
    const isInPlace = (await realpath(dirname(path)).catch(unlessMissing)) === dirname(path);
    if (!found?.isFile() || !isInPlace || (await exists(`${path}${ATTRIBUTES}`))) continue;
    await rm(path, { force: true });
    removed.files += 1;
    removed.bytes += found.blocks * 512;
  }
  return removed;
}

/** In Unix milliseconds. */
function beginOf(path: string): number {
  const [, time = ''] = UNFINISHED.exec(basename(path)) ?? [];
  return Number(BigInt(`0x${time}`) / 1_000_000n);
}

async function openFiles(pid: number): Promise<Set<string>> {
  const descriptors = (await readdir(`/proc/${pid}/fd`).catch(unlessMissing)) ?? [];
  return new Set(
    await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))),
  );
}
