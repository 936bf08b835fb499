import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { access, lstat, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { exists, makeDirectory, systemErrorCode, unlessMissing } from '../../base/files/dir.ts';
import { syncDirectory, writeAndClose } from '../../base/files/replace-file.ts';
import { checkKey, checkPrefix, type StoredObject, type Target } from './target.ts';

/** Names of files that are being written. Keys have no part that begins with a dot. */
const UNFINISHED_PREFIX = '.put-';

/** Stores each object in a file of a local directory, or of a mounted one. */
export class DirectoryTarget implements Target {
  readonly #directory: string;
  /** Directories that exist, and are on the disk. */
  readonly #made = new Set<string>();

  /** @param directory absolute; it is created at the first `put` */
  constructor(directory: string) {
    this.#directory = resolve(directory);
  }

  async put(key: string, content: Uint8Array): Promise<void> {
    const path = this.#pathOf(key);
    const parent = dirname(path);
    await this.#makeDirectory(parent);
    const unfinished = join(parent, `${UNFINISHED_PREFIX}${randomUUID()}`);
    try {
      await writeAndClose(await open(unfinished, 'wx', 0o600), content);
      await rename(unfinished, path);
      await syncDirectory(parent);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  async get(key: string): Promise<Buffer | null> {
    try {
      return await readFile(this.#pathOf(key));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async has(key: string): Promise<boolean> {
    const path = this.#pathOf(key);
    try {
      await access(path);
      return (await lstat(path)).isFile();
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkPrefix(prefix);
    yield* this.#listDirectory(prefix);
  }

  /** Directories stay, because another `put` may use them right now. */
  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await rm(path, { force: true });
  }

  async *#listDirectory(prefix: string): AsyncIterable<StoredObject> {
    const directory = join(this.#directory, prefix);
    for (const entry of await entriesOf(directory)) {
      if (entry.name.startsWith('.')) continue;
      const key = `${prefix}${entry.name}`;
      if (entry.isDirectory()) yield* this.#listDirectory(`${key}/`);
      if (!entry.isFile()) continue;
      const stats = await lstat(join(directory, entry.name)).catch(unlessMissing);
      if (stats) yield { key, bytes: stats.size, storedAt: stats.mtime };
    }
  }

  #pathOf(key: string): string {
    return join(this.#directory, checkKey(key));
  }

  async #makeDirectory(path: string): Promise<void> {
    if (this.#made.has(path)) return;
    const isNew = !(await exists(this.#directory));
    await makeDirectory(path);
    for (let next = path; next !== this.#directory; next = dirname(next)) await syncDirectory(dirname(next));
    if (isNew) await syncDirectory(dirname(this.#directory));
    this.#made.add(path);
  }
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** A part of the key may also be a file, which has no object below it. */
function isMissing(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
