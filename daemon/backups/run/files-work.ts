import { createHash, hash } from 'node:crypto';
import { link, lstat, open, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { forEachConcurrent, readAhead } from '../../base/concurrent.ts';
import { exists, makeDirectory, unlessMissing } from '../../base/files/dir.ts';
import { hashFile } from '../../base/files/hash-file.ts';
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
}

/** Writes all files below a prefix to a directory. `target` is REPLICA. */
export interface FetchFilesWork {
  kind: 'fetch-files';
  target: string;
  prefix: string;
  /** Becomes a `pb_data`, and has no uploaded files. */
  directory: string;
  /** A `pb_data` on the same disk. Its files are not fetched, and those that are not in the target are added. Null without one. */
  known: string | null;
}

export interface FetchedFiles {
  files: number;
  /** Paths of files that are damaged in the target, and their keys when not even the path can be read. */
  damaged: string[];
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

/**
 * Removes nothing: files that are missing here may be missing by mistake.
 *
 * @returns how many were stored
 * @throws an error of the target, or of the disk
 */
export async function storeFiles(
  { prefix, directory, since }: StoreFilesWork,
  target: Target,
): Promise<{ stored: number }> {
  const before = since === null ? await storedIds(target, prefix) : null;
  const changed: string[] = [];
  for await (const path of filesBelow(directory, STORAGE)) {
    if (THUMBNAILS.test(path)) continue;
    if (before?.has(idOf(path)) !== true && (await isChanged(join(directory, path), since)))
      changed.push(path);
  }
  let stored = 0;
  await forEachConcurrent(changed, CONCURRENT_FILES, async (path) => {
    if (await storeFile(path, { prefix, directory, target })) stored += 1;
  });
  return { stored };
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

/** @throws an error of the target, or of the disk */
export async function fetchFiles(
  { prefix, directory, known }: FetchFilesWork,
  target: Target,
): Promise<FetchedFiles> {
  const damaged: string[] = [];
  let files = 0;
  await forEachConcurrent(await storedIds(target, prefix), CONCURRENT_FILES, async (id) => {
    let name = headerKey(prefix, id);
    try {
      const header = await readHeader(target, name, id);
      if (header === null) return;
      name = header.path;
      const destination = join(directory, name);
      await makeDirectory(dirname(destination));
      if (known !== null && (await hasFile(known, header))) await link(join(known, name), destination);
      else await fetchFile(id, header, { prefix, target, destination });
      files += 1;
    } catch (error) {
      if (!(error instanceof DamagedObject)) throw error;
      damaged.push(name);
    }
  });
  if (known !== null) await linkOthers(known, directory);
  return { files, damaged };
}

/** Files of an earlier time are better than none. */
async function linkOthers(known: string, directory: string): Promise<void> {
  // A link could lead to the files of another database.
  if ((await lstat(join(known, STORAGE)).catch(unlessMissing))?.isDirectory() !== true) return;
  for await (const path of filesBelow(known, STORAGE)) {
    const destination = join(directory, path);
    if (THUMBNAILS.test(path) || (await exists(destination))) continue;
    await makeDirectory(dirname(destination));
    await link(join(known, path), destination);
  }
}

async function fetchFile(
  id: string,
  { path, bytes, sha256 }: Header,
  { prefix, target, destination }: { prefix: string; target: Target; destination: string },
): Promise<void> {
  const parts = Array.from({ length: Math.ceil(bytes / PART_BYTES) }, (_, part) => partKey(prefix, id, part));
  const read = createHash('sha256');
  try {
    await using file = await open(destination, 'wx', 0o600);
    for await (const part of readAhead(parts, PARTS_AHEAD, (key) => target.get(key))) {
      if (part === null) throw new DamagedObject(`a part of the uploaded file ${path} is missing in REPLICA`);
      read.update(part);
      await file.writeFile(part);
    }
    if (read.digest('hex') !== sha256)
      throw new DamagedObject(`the uploaded file ${path} in REPLICA is damaged`);
    await file.sync();
  } catch (error) {
    await rm(destination, { force: true });
    throw error;
  }
}

/** Links are not followed: they could lead to a file of another database. */
async function hasFile(directory: string, { path, bytes, sha256 }: Header): Promise<boolean> {
  const place = join(await realpath(directory), path);
  const stats = await lstat(place).catch(unlessMissing);
  if (stats?.isFile() !== true || stats.size !== bytes || (await realpath(place)) !== place) return false;
  // After a power failure, a file can have the right size and nothing else.
  return (await hashFile(place)) === sha256;
}

async function storedIds(target: Target, prefix: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { key } of target.list(prefix)) {
    const id = /\/(?<id>[0-9a-f]{64})\.json$/.exec(key)?.groups?.['id'];
    if (id !== undefined) ids.add(id);
  }
  return ids;
}

/** Null when it was erased meanwhile. @throws DamagedObject */
async function readHeader(target: Target, key: string, id: string): Promise<Header | null> {
  const content = await target.get(key);
  if (content === null) return null;
  let header: Header;
  try {
    header = headerSchema.parse(JSON.parse(content.toString()));
  } catch (error) {
    throw new DamagedObject(`${key} is damaged`, { cause: error });
  }
  const { path } = header;
  if (!isSafePath(path) || !path.startsWith(`${STORAGE}/`) || idOf(path) !== id)
    throw new DamagedObject(`${key} is damaged: it has the path '${path}'`);
  return header;
}
