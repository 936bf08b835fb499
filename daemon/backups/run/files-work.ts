import { createHash, hash } from 'node:crypto';
import { link, lstat, open, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { forEachConcurrent, readAhead } from '../../base/concurrent.ts';
import { exists, makeDirectory, unlessMissing } from '../../base/files/dir.ts';
import { isSafePath } from '../../base/files/safe-path.ts';
import { DamagedObject } from '../backup-problem.ts';
import type { Target } from '../targets/target.ts';
import { filesBelow, openRegular, STORAGE } from '../write-backup.ts';

/*
 * The uploaded files of a database beside its replica, as they are: Litestream stores data.db as it is, too. A file has the
 * objects ID/0, ID/1, … and then ID.json, below the prefix. ID is the SHA-256 of its path: targets do not store all names.
 */

/** Stores the uploaded files of a database. `target` is REPLICA. */
export interface StoreFilesWork {
  kind: 'store-files';
  target: string;
  prefix: string;
  /** A `pb_data`. */
  directory: string;
  /** Only those that changed then or later, in milliseconds. Null compares all. */
  since: number | null;
  /** A comparison deletes the objects of files that are gone, if they were stored before. In milliseconds. */
  removeBefore: number;
}

export interface StoredFiles {
  stored: number;
  removed: number;
}

/** Writes all files below a prefix to a directory. `target` is REPLICA. */
export interface FetchFilesWork {
  kind: 'fetch-files';
  target: string;
  prefix: string;
  /** Becomes a `pb_data`, and has no uploaded files. */
  directory: string;
  /** A `pb_data` on the same disk. Files that it has are not fetched. Null without one. */
  known: string | null;
}

const PART_BYTES = 4 * 1024 * 1024;
const CONCURRENT_FILES = 8;
const PARTS_AHEAD = 4;
/** PocketBase makes them again. */
const THUMBNAILS = /(?:^|\/)thumbs_[^/]+\//;

const headerSchema = z.object({
  format: z.literal(1),
  path: z.string(),
  bytes: z.int().nonnegative(),
  sha256: z.string(),
});

type Header = z.infer<typeof headerSchema>;

const idOf = (path: string) => hash('sha256', path);
const headerKey = (prefix: string, id: string) => `${prefix}${id.slice(0, 2)}/${id}.json`;
const partKey = (prefix: string, id: string, part: number) => `${prefix}${id.slice(0, 2)}/${id}/${part}`;

/** @throws an error of the target, or of the disk */
export async function storeFiles(
  { prefix, directory, since, removeBefore }: StoreFilesWork,
  target: Target,
): Promise<StoredFiles> {
  const before = since === null ? await storedFiles(target, prefix) : null;
  const present = new Set<string>();
  const changed: string[] = [];
  for await (const path of filesBelow(directory, STORAGE)) {
    if (THUMBNAILS.test(path)) continue;
    const id = idOf(path);
    present.add(id);
    if (before?.has(id) !== true && (await isChanged(join(directory, path), since))) changed.push(path);
  }
  let stored = 0;
  await forEachConcurrent(changed, CONCURRENT_FILES, async (path) => {
    if (await storeFile(path, { prefix, directory, target })) stored += 1;
  });
  let removed = 0;
  // Without it, a disk that is not mounted has no files either.
  if (before === null || !(await exists(join(directory, STORAGE)))) return { stored, removed };
  for (const [id, storedAt] of before) {
    if (present.has(id) || storedAt.getTime() >= removeBefore) continue;
    await deleteFile(target, prefix, id);
    removed += 1;
  }
  return { stored, removed };
}

async function isChanged(path: string, since: number | null): Promise<boolean> {
  if (since === null) return true;
  const stats = await stat(path).catch(unlessMissing);
  return stats !== null && stats.ctimeMs >= since;
}

/** @returns false for a file that was deleted meanwhile */
async function storeFile(
  path: string,
  { prefix, directory, target }: { prefix: string; directory: string; target: Target },
): Promise<boolean> {
  await using file = await openRegular(join(directory, path));
  if (file === null) return false;
  const id = idOf(path);
  const sha256 = createHash('sha256');
  let bytes = 0;
  for (let part = 0; ; part += 1) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(PART_BYTES), 0, PART_BYTES, bytes);
    if (bytesRead === 0) break;
    const content = buffer.subarray(0, bytesRead);
    sha256.update(content);
    bytes += bytesRead;
    await target.put(partKey(prefix, id, part), content);
    if (bytesRead < PART_BYTES) break;
  }
  const header: Header = { format: 1, path, bytes, sha256: sha256.digest('hex') };
  await target.put(headerKey(prefix, id), Buffer.from(JSON.stringify(header)));
  return true;
}

/** Without its header, a file is not fetched. */
async function deleteFile(target: Target, prefix: string, id: string): Promise<void> {
  const key = headerKey(prefix, id);
  const header = await readHeader(target, key);
  await target.delete(key);
  const parts = header === null ? 0 : Math.ceil(header.bytes / PART_BYTES);
  for (let part = 0; part < parts; part += 1) await target.delete(partKey(prefix, id, part));
}

/** @returns the number of files @throws DamagedObject, an error of the target or of the disk */
export async function fetchFiles(
  { prefix, directory, known }: FetchFilesWork,
  target: Target,
): Promise<{ files: number }> {
  const stored = await storedFiles(target, prefix);
  let files = 0;
  await forEachConcurrent(stored.keys(), CONCURRENT_FILES, async (id) => {
    const key = headerKey(prefix, id);
    const header = await readHeader(target, key);
    // It was deleted meanwhile.
    if (header === null) return;
    const { path } = header;
    if (!isSafePath(path) || !path.startsWith(`${STORAGE}/`) || idOf(path) !== id)
      throw new DamagedObject(`${key} is damaged: it has the path '${path}'`);
    files += 1;
    const destination = join(directory, path);
    await makeDirectory(dirname(destination));
    if (known !== null && (await hasFile(known, header))) await link(join(known, path), destination);
    else await fetchFile(id, header, { prefix, target, destination });
  });
  return { files };
}

async function fetchFile(
  id: string,
  { path, bytes, sha256 }: Header,
  { prefix, target, destination }: { prefix: string; target: Target; destination: string },
): Promise<void> {
  const parts = Array.from({ length: Math.ceil(bytes / PART_BYTES) }, (_, part) => partKey(prefix, id, part));
  const read = createHash('sha256');
  await using file = await open(destination, 'wx', 0o600);
  for await (const part of readAhead(parts, PARTS_AHEAD, (key) => target.get(key))) {
    if (part === null) throw new DamagedObject(`a part of the uploaded file ${path} is missing in REPLICA`);
    read.update(part);
    await file.writeFile(part);
  }
  if (read.digest('hex') !== sha256)
    throw new DamagedObject(`the uploaded file ${path} in REPLICA is damaged`);
  await file.sync();
}

/** Links are not followed: they could lead to a file of another database. */
async function hasFile(directory: string, { path, bytes }: Header): Promise<boolean> {
  const place = join(await realpath(directory), path);
  const stats = await lstat(place).catch(unlessMissing);
  return stats?.isFile() === true && stats.size === bytes && (await realpath(place)) === place;
}

/** When each file was stored, by id. */
async function storedFiles(target: Target, prefix: string): Promise<Map<string, Date>> {
  const files = new Map<string, Date>();
  for await (const { key, storedAt } of target.list(prefix)) {
    const id = /\/(?<id>[0-9a-f]{64})\.json$/.exec(key)?.groups?.['id'];
    if (id !== undefined) files.set(id, storedAt);
  }
  return files;
}

/** @throws DamagedObject */
async function readHeader(target: Target, key: string): Promise<Header | null> {
  const content = await target.get(key);
  if (content === null) return null;
  try {
    return headerSchema.parse(JSON.parse(content.toString()));
  } catch (error) {
    throw new DamagedObject(`${key} is damaged`, { cause: error });
  }
}
