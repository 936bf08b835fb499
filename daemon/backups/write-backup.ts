import { randomBytes } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { systemErrorCode } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { isUnreadable } from '../pocketbase/data/sqlite.ts';
import { BackupProblem, DamagedDatabase } from './backup-problem.ts';
import { ChunkWriter, DATABASE_CHUNK_BYTES, FILE_CHUNK_BYTES } from './chunk-writer.ts';
import { findDamage } from './integrity.ts';
import type { DataKey } from './keys/data-key.ts';
import { type BackedUpFile, type Backup, CONTROL_PLANE_FILES, idTimeOf, storeManifest } from './manifest.ts';
import { copyDatabase } from './snapshot.ts';
import type { Target } from './targets/target.ts';

/** Below `pb_data`. */
export const STORAGE = 'storage';

export interface BackupSource {
  database: string;
  /** PocketBase's `pb_data`. */
  dataDir: string;
  /** A directory for the copy of the database. It is removed at the end. */
  scratchDir: string;
  /** For the control plane. */
  controlPlane?: ControlPlaneSource | undefined;
}

export interface WriteOptions {
  target: Target;
  key: DataKey;
  /** The last backup. Files with the same path and size are not read again: PocketBase never rewrites them. */
  previous: Backup | null;
  now: Date;
  /** Reads a whole database, see `findDamage`. A daemon does it in a process. */
  find?: (path: string) => string | null | Promise<string | null>;
  /** Throws when the parts may not be on the target any more. */
  beforeManifest?: () => Promise<void>;
}

export interface ControlPlaneSource {
  /** FATHOM_DATA_DIR */
  hostDir: string;
  /** Those without secrets. */
  settings: Readonly<Record<string, string>>;
}

export interface WrittenBackup {
  backup: Backup;
  /** What this backup added to the target. */
  stored: { chunks: number; bytes: number };
}

/**
 * Writes one backup: the database as it is at one moment, then the uploaded files. SQLite reads the copy while the files are
 * stored, and no part of a damaged database is stored. Content that the target has already is not stored again. Until the end,
 * the backup cannot be seen; after a crash, its chunks are used by the next one. Write one backup of a database at a time, and
 * remove no chunks meanwhile.
 *
 * Files of the control plane are read in an order in which the audit log can be verified: the end of the log is never after the
 * rows of the table, and a row that moves into a file meanwhile is in both.
 *
 * @throws BackupProblem for a damaged database, and as the target
 */
export async function writeBackup(
  source: BackupSource,
  { target, key, previous, now, find = findDamage, beforeManifest }: WriteOptions,
): Promise<WrittenBackup> {
  const { database, dataDir, scratchDir, controlPlane } = source;
  const writer = new ChunkWriter(target, key, database);
  await writer.readStored();
  const directory = await identityOf(dataDir);
  try {
    const files = controlPlane ? await addBeforeDatabase(writer, controlPlane) : [];
    const copy = await copyOf(source);
    const checked = requireUndamaged(database, copy, find);
    // Reported below.
    checked.catch(() => {});
    const uploads: BackedUpFile[] = [];
    try {
      const known = new Map(previous?.files.map((file) => [file.path, file]));
      for await (const path of filesBelow(dataDir, STORAGE)) {
        const file = await addStoredFile(writer, join(dataDir, path), path, known.get(path));
        if (file !== null) uploads.push(file);
      }
    } finally {
      await checked;
    }
    files.push(await writer.addFile(copy, 'data.db', DATABASE_CHUNK_BYTES), ...uploads);
    if (controlPlane) files.push(...(await addAuditArchive(writer, controlPlane)));
    await writer.flush();
    if ((await identityOf(dataDir)) !== directory)
      throw new BackupProblem(`${dataDir} was replaced during the backup; it is backed up again`);
    const backup: Backup = {
      format: 1,
      id: `${idTimeOf(now)}-${randomBytes(4).toString('hex')}`,
      database,
      created_at: now.toISOString(),
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      chunks: [...new Set(files.flatMap(({ chunks }) => chunks))].toSorted(),
      files,
    };
    await beforeManifest?.();
    await storeManifest(target, key, backup);
    return { backup, stored: writer.stored };
  } finally {
    await removeTree(scratchDir);
  }
}

/** Changes when another directory is moved to the place, or another database into the directory. */
async function identityOf(directory: string): Promise<string> {
  const stats = await Promise.all([stat(directory), stat(join(directory, 'data.db'))]);
  return stats.map(({ dev, ino }) => `${dev}:${ino}`).join(' ');
}

async function copyOf({ database, dataDir, scratchDir }: BackupSource): Promise<string> {
  try {
    return await copyDatabase(dataDir, scratchDir);
  } catch (error) {
    throw isUnreadable(error) ? new DamagedDatabase(database, messageOf(error)) : error;
  }
}

async function requireUndamaged(
  database: string,
  copy: string,
  find: NonNullable<WriteOptions['find']>,
): Promise<void> {
  const damage = await find(copy);
  if (damage !== null) throw new DamagedDatabase(database, damage);
}

async function addBeforeDatabase(
  writer: ChunkWriter,
  { hostDir, settings }: ControlPlaneSource,
): Promise<BackedUpFile[]> {
  const { auditHead, settings: settingsPath } = CONTROL_PLANE_FILES;
  const head = await addStoredFile(writer, join(hostDir, auditHead), auditHead, undefined);
  const written = await writer.addBytes(Buffer.from(JSON.stringify(settings, null, 2)), settingsPath);
  return head === null ? [written] : [head, written];
}

/** Rows are added to these files, so their size says nothing about their content. */
async function addAuditArchive(
  writer: ChunkWriter,
  { hostDir }: ControlPlaneSource,
): Promise<BackedUpFile[]> {
  const files: BackedUpFile[] = [];
  for await (const path of filesBelow(hostDir, CONTROL_PLANE_FILES.auditDir)) {
    const file = await addStoredFile(writer, join(hostDir, path), path, undefined);
    if (file !== null) files.push(file);
  }
  return files;
}

/** Null for a file that was deleted in the meantime. */
async function addStoredFile(
  writer: ChunkWriter,
  source: string,
  path: string,
  known: BackedUpFile | undefined,
): Promise<BackedUpFile | null> {
  await using file = await openRegular(source);
  if (file === null) return null;
  const { size } = await file.stat();
  if (known?.bytes === size && writer.has(known.chunks)) return known;
  return await writer.add(file, path, FILE_CHUNK_BYTES);
}

/** Opens a file for reading. Null for one that is missing, a link, a device. */
export async function openRegular(path: string): Promise<FileHandle | null> {
  let file: FileHandle;
  try {
    // A link could lead to a file of another database.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ELOOP') return null;
    throw error;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return null;
}

/** Paths of regular files, sorted. PocketBase creates no links. */
export async function* filesBelow(root: string, path: string): AsyncIterable<string> {
  for (const entry of await entriesOf(join(root, path))) {
    const child = `${path}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(root, child);
    else if (entry.isFile()) yield child;
  }
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
