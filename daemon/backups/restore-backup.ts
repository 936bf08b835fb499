import { randomUUID } from 'node:crypto';
import { closeSync, constants, fsync, openSync, writeSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { forEachConcurrent } from '../base/concurrent.ts';
import { exists, makeDirectory, makeDirectorySync } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { syncDirectory } from '../base/files/replace-file.ts';
import { isSafePath } from '../base/files/safe-path.ts';
import { freeBuffer } from '../base/free-buffer.ts';
import { Semaphore } from '../base/semaphore.ts';
import { BackupProblem } from './backup-problem.ts';
import type { DataKey } from './keys/data-key.ts';
import type { BackedUpFile, Backup } from './manifest.ts';
import { readBackedUpFile } from './read-file.ts';
import type { Target } from './targets/target.ts';

/** Names of directories of unfinished restores, beside the directory that they become. */
const UNFINISHED_PREFIX = '.restoring-';

/** A target that is far away answers late. */
const CONCURRENT_FILES = 4;
/** Concurrent ones share the writes of the journal. Some threads are left to read. */
const CONCURRENT_SYNCS = 8;

const sync = promisify(fsync);

export interface RestoreOptions {
  target: Target;
  key: DataKey;
  /** Must not exist. */
  directory: string;
  /** Reads a whole database, see `findDamage`. A daemon does it in another process. */
  find?: FindDamage | undefined;
  /** Called with bytes that were restored. */
  onBytes?: (bytes: number) => void;
}

type FindDamage = (path: string) => string | null | Promise<string | null>;

/**
 * Restores a backup into a new directory, which becomes a `pb_data`. It appears when everything in it was compared with its
 * hash. SQLite has read the same bytes when they were backed up, and reads them again only with `find` (decision 0076).
 *
 * @throws BackupProblem
 */
export async function restoreBackup(
  backup: Backup,
  { target, key, ...options }: RestoreOptions,
): Promise<void> {
  const read = (file: BackedUpFile) => readBackedUpFile(file, { backup, target, key, purpose: 'restored' });
  await placeFiles(backup.files, { ...options, read, damagedWhen: 'was backed up' });
}

export interface PlaceOptions<F> extends Pick<RestoreOptions, 'directory' | 'find' | 'onBytes'> {
  /** The content of a file, which is compared with its hash. */
  read: (file: F) => AsyncIterable<Buffer>;
  /** For messages. */
  damagedWhen: string;
}

/**
 * Puts files into a new directory, which appears when all are there, and, with `find`, when SQLite has read the whole database.
 *
 * @throws BackupProblem
 */
export async function placeFiles<F extends { path: string }>(
  files: readonly F[],
  options: PlaceOptions<F>,
): Promise<void> {
  const { directory, find, damagedWhen } = options;
  if (await exists(directory)) {
    throw new BackupProblem(`${directory} exists; move it away, or restore into another directory`);
  }
  const parent = dirname(directory);
  const unfinished = join(parent, `${UNFINISHED_PREFIX}${randomUUID()}`);
  await makeDirectory(unfinished);
  try {
    await restoreFiles(files, unfinished, options);
    if (find) await proveDatabase(unfinished, find, damagedWhen);
    const directories = new Set(files.flatMap(({ path }) => parentsOf(path)));
    await forEachConcurrent(directories, CONCURRENT_SYNCS, (each) => syncDirectoryOf(join(unfinished, each)));
    await rename(unfinished, directory);
    await syncDirectory(parent);
  } catch (error) {
    await removeTree(unfinished);
    throw error;
  }
}

/** Reads the whole database. @throws BackupProblem when SQLite finds damage; UnsafeDatabase */
async function proveDatabase(dataDir: string, find: FindDamage, damagedWhen: string): Promise<void> {
  const path = join(dataDir, 'data.db');
  const damage = await find(path);
  if (damage !== null)
    throw new BackupProblem(
      `the database was damaged when it ${damagedWhen} (${damage}); use an earlier backup`,
    );
  for (const suffix of ['-wal', '-shm']) await rm(`${path}${suffix}`, { force: true });
}

/** Files go to the disk while others are read. After an error no other file is read: a target that is away answers late. */
async function restoreFiles<F extends { path: string }>(
  files: readonly F[],
  directory: string,
  options: PlaceOptions<F>,
): Promise<void> {
  const readers = new Semaphore(CONCURRENT_FILES);
  const failed = new AbortController();
  await forEachConcurrent(files, CONCURRENT_FILES + CONCURRENT_SYNCS, async (file) => {
    const release = await readers.acquire(failed.signal);
    if (release === null) return;
    try {
      await restoreFile(file, directory, { ...options, onRead: release });
    } catch (error) {
      failed.abort();
      throw error;
    } finally {
      release();
    }
  });
}

/** Writes are synchronous: nothing else happens in this process. */
async function restoreFile<F extends { path: string }>(
  file: F,
  directory: string,
  { read, onBytes, onRead }: PlaceOptions<F> & { onRead: () => void },
): Promise<void> {
  const destination = join(directory, safePath(file.path));
  makeDirectorySync(dirname(destination));
  const restored = openSync(destination, 'wx', 0o600);
  try {
    for await (const part of read(file)) {
      writeAll(restored, part);
      onBytes?.(part.length);
      freeBuffer(part);
    }
    onRead();
    await sync(restored);
  } finally {
    closeSync(restored);
  }
}

function writeAll(file: number, part: Buffer): void {
  for (let written = 0; written < part.length; ) written += writeSync(file, part, written);
}

async function syncDirectoryOf(path: string): Promise<void> {
  const directory = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await sync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The directories that contain a file, up to `.`. */
function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [parent] : [parent, ...parentsOf(parent)];
}

/** @throws BackupProblem for a path that leads out of the directory */
function safePath(path: string): string {
  if (!isSafePath(path))
    throw new BackupProblem(`the backup has the path '${path}', which Fathom does not write`);
  return path;
}
