import { createHash, randomBytes } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { systemErrorCode } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { Semaphore } from '../base/semaphore.ts';
import { isUnreadable } from '../pocketbase/data/sqlite.ts';
import { BackupProblem, DamagedDatabase } from './backup-problem.ts';
import { findDamage } from './integrity.ts';
import { type DataKey, MIN_SEALED_BYTES } from './keys/data-key.ts';
import {
  type BackedUpFile,
  type Backup,
  CONTROL_PLANE_FILES,
  chunkKey,
  chunkPrefix,
  idTimeOf,
  storeManifest,
} from './manifest.ts';
import { copyDatabase } from './snapshot.ts';
import type { Target } from './targets/target.ts';

/** Pages of SQLite stay at their place, so chunks of a fixed size are found again. Smaller ones cost more objects. */
const CHUNK_BYTES = 256 * 1024;
const CONCURRENT_PUTS = 4;
const STORAGE = 'storage';

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
 * Writes one backup: the database as it is at one moment, then the uploaded files. A damaged database is refused before anything
 * is written. Content that the target has already is not stored again. Until the end, the backup cannot be seen; after a crash, its chunks are used by the next one. Write one backup
 * of a database at a time, and remove no chunks meanwhile.
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
    const copy = await copyUndamaged(source, find);
    files.push(await writer.addFile(copy, 'data.db'));
    const known = new Map(previous?.files.map((file) => [file.path, file]));
    for await (const path of filesBelow(dataDir, STORAGE)) {
      const file = await addStoredFile(writer, join(dataDir, path), path, known.get(path));
      if (file !== null) files.push(file);
    }
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

async function copyUndamaged(
  { database, dataDir, scratchDir }: BackupSource,
  find: NonNullable<WriteOptions['find']>,
): Promise<string> {
  try {
    const copy = await copyDatabase(dataDir, scratchDir);
    const damage = await find(copy);
    if (damage === null) return copy;
    throw new DamagedDatabase(database, damage);
  } catch (error) {
    if (isUnreadable(error)) throw new DamagedDatabase(database, messageOf(error));
    throw error;
  }
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
  let file: FileHandle;
  try {
    // A link could lead to a file of another database.
    file = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ELOOP') return null;
    throw error;
  }
  await using handle = file;
  const stats = await handle.stat();
  if (!stats.isFile()) return null;
  if (known?.bytes === stats.size && writer.has(known.chunks)) return known;
  return await writer.add(handle, path);
}

/** Paths of regular files, sorted. PocketBase creates no links. */
async function* filesBelow(root: string, path: string): AsyncIterable<string> {
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

/** Splits files into chunks, and stores those that the target does not have. */
class ChunkWriter {
  readonly stored = { chunks: 0, bytes: 0 };
  readonly #target: Target;
  readonly #key: DataKey;
  readonly #database: string;
  readonly #names = new Set<string>();
  readonly #puts = new Set<Promise<void>>();
  readonly #slots = new Semaphore(CONCURRENT_PUTS);
  readonly #failed = new AbortController();

  constructor(target: Target, key: DataKey, database: string) {
    this.#target = target;
    this.#key = key;
    this.#database = database;
  }

  async readStored(): Promise<void> {
    for await (const { key, bytes } of this.#target.list(chunkPrefix(this.#database))) {
      // Truncated by a disk or by another program: it is stored again.
      if (bytes < MIN_SEALED_BYTES) continue;
      this.#names.add(key.slice(key.lastIndexOf('/') + 1));
    }
  }

  has(names: readonly string[]): boolean {
    return names.every((name) => this.#names.has(name));
  }

  async addFile(source: string, path: string): Promise<BackedUpFile> {
    await using file = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW);
    return await this.add(file, path);
  }

  /** @param content at most the size of a chunk */
  async addBytes(content: Buffer, path: string): Promise<BackedUpFile> {
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { path, bytes: content.length, sha256, chunks: [await this.#store(content)] };
  }

  async add(file: FileHandle, path: string): Promise<BackedUpFile> {
    const hash = createHash('sha256');
    const chunks: string[] = [];
    let bytes = 0;
    for (;;) {
      const chunk = await readChunk(file);
      if (chunk.length === 0) break;
      hash.update(chunk);
      bytes += chunk.length;
      chunks.push(await this.#store(chunk));
      if (chunk.length < CHUNK_BYTES) break;
    }
    return { path, bytes, sha256: hash.digest('hex'), chunks };
  }

  /** Resolves when everything is stored. @throws the first error of a `put` */
  async flush(): Promise<void> {
    await Promise.all(this.#puts);
    this.#failed.signal.throwIfAborted();
  }

  async #store(chunk: Buffer): Promise<string> {
    const name = this.#key.nameOf(chunk);
    if (this.#names.has(name)) return name;
    this.#names.add(name);
    const release = await this.#slots.acquire(this.#failed.signal);
    if (!release) throw this.#failed.signal.reason;
    const place = chunkKey(this.#database, name);
    const sealed = this.#key.seal(chunk, place);
    this.stored.chunks += 1;
    this.stored.bytes += sealed.length;
    const put = this.#target
      .put(place, sealed)
      .catch((error: unknown) => this.#failed.abort(error))
      .finally(() => {
        release();
        this.#puts.delete(put);
      });
    this.#puts.add(put);
    return name;
  }
}

/** A chunk of the full size, except at the end of the file. */
async function readChunk(file: FileHandle): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let filled = 0;
  while (filled < CHUNK_BYTES) {
    const { bytesRead } = await file.read(buffer, filled, CHUNK_BYTES - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
