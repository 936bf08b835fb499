import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { exists, makeDirectory } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { syncDirectory } from '../base/files/replace-file.ts';
import { BackupProblem } from './backup-problem.ts';
import { findDamage } from './integrity.ts';
import type { DataKey } from './keys/data-key.ts';
import { type BackedUpFile, type Backup, chunkKey } from './manifest.ts';
import type { Target } from './targets/target.ts';

/** Names of directories of unfinished restores, beside the directory that they become. */
const UNFINISHED_PREFIX = '.restoring-';

/**
 * Restores a backup into a new directory, which becomes a `pb_data`. It appears when everything in it was compared with its
 * hash, and when SQLite has read the whole database.
 *
 * @throws BackupProblem
 */
export async function restoreBackup(
  backup: Backup,
  { target, key, directory }: { target: Target; key: DataKey; directory: string },
): Promise<void> {
  if (await exists(directory)) {
    throw new BackupProblem(`${directory} exists; move it away, or restore into another directory`);
  }
  const parent = dirname(directory);
  const unfinished = join(parent, `${UNFINISHED_PREFIX}${randomUUID()}`);
  await makeDirectory(unfinished);
  try {
    for (const file of backup.files) await restoreFile(file, unfinished, { backup, target, key });
    await proveDatabase(unfinished);
    const directories = new Set(backup.files.map(({ path }) => dirname(join(unfinished, path))));
    for (const each of directories) await syncDirectory(each);
    await rename(unfinished, directory);
    await syncDirectory(parent);
  } catch (error) {
    await removeTree(unfinished);
    throw error;
  }
}

/** Reads the whole database. @throws BackupProblem when SQLite finds damage; UnsafeDatabase */
async function proveDatabase(dataDir: string): Promise<void> {
  const path = join(dataDir, 'data.db');
  const damage = findDamage(path);
  if (damage !== null)
    throw new BackupProblem(
      `the database was damaged when it was backed up (${damage}); use an earlier backup`,
    );
  for (const suffix of ['-wal', '-shm']) await rm(`${path}${suffix}`, { force: true });
}

async function restoreFile(
  { path, bytes, sha256, chunks }: BackedUpFile,
  directory: string,
  { backup: { database, id }, target, key }: { backup: Backup; target: Target; key: DataKey },
): Promise<void> {
  const destination = join(directory, safePath(path));
  await makeDirectory(dirname(destination));
  const hash = createHash('sha256');
  let written = 0;
  await using file = await open(destination, 'wx', 0o600);
  for (const name of chunks) {
    const place = chunkKey(database, name);
    const sealed = await target.get(place);
    if (sealed === null)
      throw new BackupProblem(`${place} is missing, so ${path} of the backup ${id} cannot be restored`);
    const chunk = key.open(sealed, place);
    hash.update(chunk);
    written += chunk.length;
    await file.writeFile(chunk);
  }
  if (written !== bytes || hash.digest('hex') !== sha256) {
    throw new BackupProblem(`${path} of the backup ${id} is not what was backed up; use another backup`);
  }
  await file.sync();
}

/** @throws BackupProblem for a path that leads out of the directory */
function safePath(path: string): string {
  const isSafe = normalize(path) === path && !path.startsWith('/') && path.split('/').at(0) !== '..';
  if (!isSafe) throw new BackupProblem(`the backup has the path '${path}', which Fathom does not write`);
  return path;
}
