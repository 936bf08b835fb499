import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { systemErrorCode, unlessMissing } from '../../base/files/dir.ts';
import { HIDDEN } from '../../base/files/remove-tree.ts';
import { linkedDirectories } from '../../pocketbase/sandbox/file-view.ts';
import { isTemporary } from '../../pocketbase/sandbox/temporary-dir.ts';
import { BEFORE_PREFIX, dataDirOf, restoreDirOf, rolloutDirOf, temporaryDirOf } from '../instance-spec.ts';
import { maybeUnfinished } from './unfinished-uploads.ts';

export interface DirectoryUsage {
  bytes: number;
  /** Files and directories. Infinite if they were not counted. */
  entries: number;
  /** Paths of files that can be unfinished uploads. */
  unfinished: string[];
}

/**
 * Disk usage in bytes of a directory and everything below; 0 for a missing one. A file with hard links counts in equal parts
 * for each link.
 */
export async function directoryBytes(directory: string): Promise<number> {
  return (await usageOf(directory)).bytes;
}

/**
 * The size of a database, without the files of requests in progress, which strangers can send, and without the copies that
 * rollouts and restores keep. Includes data that an administrator moved to another disk with a symbolic link.
 */
export async function databaseUsage(directory: string): Promise<DirectoryUsage> {
  const total = emptyUsage();
  const temporaryDir = temporaryDirOf(directory);
  const copies = [rolloutDirOf(directory), restoreDirOf(directory)].map((path) => basename(path));
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const isCopy = copies.includes(entry.name) || entry.name.startsWith(BEFORE_PREFIX);
    if (isCopy || isTemporary(entry.name, temporaryDir)) continue;
    total.entries += 1;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) add(total, await usageOf(path));
    else if (entry.isFile()) total.bytes += await fileBytes(path);
  }
  for (const moved of movedDirectories(directory)) add(total, await usageOf(moved));
  return total;
}

/** Directories of a database that an administrator moved with a symbolic link. */
export function movedDirectories(directory: string): string[] {
  const dataDir = dataDirOf(directory);
  const isLink = lstatSync(dataDir, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  const realDataDir = isLink && existsSync(dataDir) ? [realpathSync(dataDir)] : [];
  return [...realDataDir, ...linkedDirectories({ dataDir, fleetDirectories: [dirname(directory)] })];
}

function emptyUsage(): DirectoryUsage {
  return { bytes: 0, entries: 0, unfinished: [] };
}

function add(total: DirectoryUsage, { bytes, entries, unfinished }: DirectoryUsage): void {
  total.bytes += bytes;
  total.entries += entries;
  total.unfinished.push(...unfinished);
}

async function usageOf(directory: string): Promise<DirectoryUsage> {
  try {
    return await walk(directory);
  } catch (error) {
    if (!HIDDEN.has(systemErrorCode(error))) throw error;
    return measureHidden(directory, error);
  }
}

/** Files and directories can be removed during the walk. */
async function walk(directory: string): Promise<DirectoryUsage> {
  const total = emptyUsage();
  const entries = await readdir(directory, { withFileTypes: true }).catch(unlessMissing);
  for (const entry of entries ?? []) {
    total.entries += 1;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) add(total, await walk(path));
    else if (entry.isFile()) total.bytes += await fileBytes(path);
    if (maybeUnfinished(path)) total.unfinished.push(path);
  }
  return total;
}

async function fileBytes(path: string): Promise<number> {
  const found = await lstat(path).catch(unlessMissing);
  return found === null ? 0 : Math.round((found.blocks * 512) / Math.max(found.nlink, 1));
}

/**
 * The usage of a tree with directories that a process made unreadable, or with paths that are longer than the kernel takes:
 * a process must not get around its disk limit with them. chmod(1) and du(1) open each directory relative to its parent, and
 * follow no link in the tree.
 */
async function measureHidden(path: string, cause: unknown): Promise<DirectoryUsage> {
  await execa('chmod', ['-R', 'u+rwX', '--', path], { reject: false, stdio: 'ignore' });
  const { stdout } = await execa('du', ['-s', '-k', '--', path], { reject: false, stderr: 'ignore' });
  const kilobytes = Number.parseInt(stdout, 10);
  if (Number.isNaN(kilobytes)) throw cause;
  return { ...emptyUsage(), bytes: kilobytes * 1024, entries: Number.POSITIVE_INFINITY };
}
