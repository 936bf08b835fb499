import { constants, copyFile, link, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { cloneOrCopy } from '../../base/files/clone-or-copy.ts';
import { exists, makeDirectory, systemErrorCode, unlessMissing } from '../../base/files/dir.ts';
import { hashFile } from '../../base/files/hash-file.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { syncDirectory } from '../../base/files/replace-file.ts';
import { linkedDirectories, resolvedPath } from '../../pocketbase/sandbox/file-view.ts';
import { directoryBytes } from '../../supervisor/disk/database-usage.ts';

/** Files that PocketBase writes to. Everything else it creates and deletes, but never changes. */
const WRITTEN = ['data.db', 'data.db-wal', 'auxiliary.db', 'auxiliary.db-wal'];
const STORAGE = 'storage';
/** SQLite creates these again, or they belong to a running process. */
const LEFT_OUT: ReadonlySet<string> = new Set(['data.db-shm', 'auxiliary.db-shm', '.notify']);
/** Errors of a file system without hard links, or of a file with too many. */
const NO_LINK: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'EMLINK',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EXDEV',
]);

/** Errors of a file that is not there, or on a disk that does not return its content. */
const UNREADABLE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EIO']);

/**
 * Copies the `pb_data` of a database without a process. Databases share their blocks where the file system can, else they are
 * copied. Files of records are hard links: a deletion in one place does not affect the other. The copy is on the disk when this
 * returns.
 *
 * @throws the error of the file system, or an Error before the copy would fill the disk
 */
export async function copyData(dataDir: string, copy: string): Promise<void> {
  await makeDirectory(copy);
  for (const name of await readdir(copy)) if (name !== STORAGE) await removeTree(join(copy, name));
  const storage = await storageOf(dataDir);
  if (storage !== null) await matchTree(storage, join(copy, STORAGE));
  for (const { name, isDirectory } of await entriesOf(dataDir)) {
    if (name === STORAGE) continue;
    if (LEFT_OUT.has(name)) continue;
    const [from, to] = [join(dataDir, name), join(copy, name)];
    if (isDirectory) await linkTree(from, to);
    else if (WRITTEN.includes(name)) await cloneSynced(from, to);
    else await linkFile(from, to);
  }
  await syncDirectory(copy);
}

/**
 * Copies files of records that cannot be linked, as on another disk, while a process runs: clients then do not wait for it.
 * `copyData` copies only what has changed since.
 */
export async function copyStorageAhead(dataDir: string, copy: string): Promise<void> {
  const storage = await storageOf(dataDir);
  if (storage === null || !(await isOnOtherDisk(storage, dataDir))) return;
  await makeDirectory(copy);
  await matchTree(storage, join(copy, STORAGE));
}

/** A copy is in the directory of the database. */
async function isOnOtherDisk(storage: string, dataDir: string): Promise<boolean> {
  return (await stat(storage)).dev !== (await stat(dirname(dataDir))).dev;
}

/** The `storage` that an administrator has moved to another disk, with a link in its place; null without one. */
function movedStorage(dataDir: string): string | null {
  const target = resolvedPath(join(dataDir, 'storage'));
  const fleetDirectories = [dirname(dirname(dataDir))];
  return linkedDirectories({ dataDir, fleetDirectories }).find((directory) => directory === target) ?? null;
}

/** The directory with files of records; null without one. Another link could lead into another database. */
async function storageOf(dataDir: string): Promise<string | null> {
  const moved = movedStorage(dataDir);
  if (moved !== null) return moved;
  const own = join(dataDir, STORAGE);
  return (await lstat(own).catch(unlessMissing))?.isDirectory() ? own : null;
}

/** Links the files of records of a database into a clone, also while a process runs on it. */
export async function linkStorage(dataDir: string, clone: string): Promise<void> {
  const storage = await storageOf(dataDir);
  if (storage !== null) await linkTree(storage, join(clone, STORAGE));
}

/**
 * Brings the copy back into `pb_data`. Can be repeated after an interruption: the copy stays, and there is a `data.db` at
 * every moment.
 */
export async function restoreData(copy: string, dataDir: string): Promise<void> {
  await makeDirectory(dataDir);
  for (const name of ['data.db', 'auxiliary.db']) await restoreDatabase(copy, dataDir, name);
  const moved = movedStorage(dataDir);
  for (const { name, isDirectory } of await entriesOf(copy)) {
    const target = name === STORAGE && moved !== null ? moved : join(dataDir, name);
    if (isDirectory) await linkTree(join(copy, name), target);
  }
  await syncDirectory(dataDir);
}

/** The SHA-256 of each database of a copy, by the name of its file. */
export async function hashCopy(copy: string): Promise<Record<string, string>> {
  const names = (await entriesOf(copy)).map(({ name }) => name).filter((name) => WRITTEN.includes(name));
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await hashFile(join(copy, name))] as const)),
  );
}

/** Compares a copy with its sums, see `hashCopy`. Returns what has changed since; null when it is as it was. */
export async function findCopyDamage(
  copy: string,
  sums: Readonly<Record<string, string>>,
): Promise<string | null> {
  for (const [name, sum] of Object.entries(sums)) {
    try {
      if ((await hashFile(join(copy, name))) !== sum) return `${name} has changed`;
    } catch (error) {
      if (!UNREADABLE.has(systemErrorCode(error))) throw error;
      return `${name} cannot be read: ${messageOf(error)}`;
    }
  }
  return null;
}

/** Replaces a database by a copy of a file, in one step. */
export async function replaceDatabase(source: string, dataDir: string): Promise<void> {
  await replaceByCopy(source, dataDir, 'data.db');
  await syncDirectory(dataDir);
}

/** Bytes that a copy takes at most. */
export async function copiedBytes(dataDir: string): Promise<number> {
  const sizes = WRITTEN.map(
    async (name) => (await lstat(join(dataDir, name)).catch(unlessMissing))?.size ?? 0,
  );
  const databases = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  const storage = await storageOf(dataDir);
  if (storage === null || !(await isOnOtherDisk(storage, dataDir))) return databases;
  // They cannot be linked.
  return databases + (await directoryBytes(storage));
}

async function restoreDatabase(copy: string, dataDir: string, name: string): Promise<void> {
  const source = join(copy, name);
  if (!(await exists(source))) return;
  await replaceByCopy(source, dataDir, name);
  if (await exists(`${source}-wal`)) await copySynced(`${source}-wal`, join(dataDir, `${name}-wal`));
}

async function replaceByCopy(source: string, dataDir: string, name: string): Promise<void> {
  const staged = join(dataDir, `.${name}.restored`);
  await rm(staged, { force: true });
  await copySynced(source, staged);
  // With the old WAL beside it, SQLite would change the restored file.
  for (const suffix of ['-wal', '-shm']) await rm(join(dataDir, `${name}${suffix}`), { force: true });
  await syncDirectory(dataDir);
  await rename(staged, join(dataDir, name));
}

async function linkTree(from: string, to: string): Promise<void> {
  await makeRealDirectory(to);
  for (const { name, isDirectory } of await entriesOf(from)) {
    if (isDirectory) await linkTree(join(from, name), join(to, name));
    else await linkFile(join(from, name), join(to, name));
  }
}

/** Makes a copy equal to a directory whose files may change meanwhile. Files are never changed, only created and deleted. */
async function matchTree(from: string, to: string): Promise<void> {
  await makeRealDirectory(to);
  const entries = await entriesOf(from);
  const kept = new Set(entries.map(({ name }) => name));
  for (const name of await readdir(to)) if (!kept.has(name)) await removeTree(join(to, name));
  for (const { name, isDirectory } of entries) {
    const [source, target] = [join(from, name), join(to, name)];
    // It may have been deleted since the directory was read.
    await (isDirectory ? matchTree(source, target) : matchFile(source, target)).catch(unlessMissing);
  }
}

async function matchFile(from: string, to: string): Promise<void> {
  const [source, copied] = [await lstat(from), await lstat(to).catch(unlessMissing)];
  // An upload that was in progress is longer now.
  if (copied?.isFile() && copied.size === source.size) return;
  if (copied) await removeTree(to);
  await linkFile(from, to);
}

/** Replaces what is not a directory: a link could lead into another database. */
async function makeRealDirectory(path: string): Promise<void> {
  const found = await lstat(path).catch(unlessMissing);
  if (found?.isDirectory()) return;
  if (found) await rm(path, { force: true });
  await mkdir(path, { mode: 0o700 });
}

/** Copies the file where it cannot be linked. */
export async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'EEXIST') return;
    if (!NO_LINK.has(code)) throw error;
    await cloneOrCopy(from, to);
  }
}

/** The copy is on the disk when this returns. */
async function cloneSynced(from: string, to: string): Promise<void> {
  await cloneOrCopy(from, to);
  await sync(to);
}

async function copySynced(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await sync(to);
}

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.chmod(0o600);
  await file.sync();
}

/** Regular files and directories. PocketBase creates nothing else, and a link could lead out of the directory. */
async function entriesOf(directory: string): Promise<{ name: string; isDirectory: boolean }[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
}
