import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { lstat, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { exists, makeDirectory, systemErrorCode } from '../../base/files/dir.ts';
import { syncDirectory, writeAndClose } from '../../base/files/replace-file.ts';
import { checkKey, checkPrefix, type StoredObject, type Target, UNFINISHED_PREFIX } from './target.ts';
import { problemOfSystem } from './target-problem.ts';

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
    await this.#use(() => this.#replace(path, content));
  }

  async get(key: string): Promise<Buffer | null> {
    const path = this.#pathOf(key);
    return this.#use(() => readFile(path).catch(unlessMissing));
  }

  async has(key: string): Promise<boolean> {
    const path = this.#pathOf(key);
    const stats = await this.#use(() => lstat(path).catch(unlessMissing));
    return stats?.isFile() === true;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkPrefix(prefix);
    yield* this.#listDirectory(prefix);
  }

  /** Directories stay, because another `put` may use them right now. */
  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await this.#use(async () => {
      await rm(path, { force: true });
      await syncDirectory(dirname(path)).catch(unlessMissing);
    });
  }

  async erase(key: string): Promise<void> {
    await this.delete(key);
  }

  async #replace(path: string, content: Uint8Array): Promise<void> {
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

  async *#listDirectory(prefix: string): AsyncIterable<StoredObject> {
    const directory = join(this.#directory, prefix);
    for (const entry of await this.#use(() => entriesOf(directory))) {
      if (entry.name.startsWith('.')) continue;
      const key = `${prefix}${entry.name}`;
      if (entry.isDirectory()) yield* this.#listDirectory(`${key}/`);
      if (!entry.isFile()) continue;
      const stats = await this.#use(() => lstat(join(directory, entry.name)).catch(unlessMissing));
      if (stats) yield { key, bytes: stats.size, storedAt: stats.mtime };
    }
  }

  /** @throws TargetProblem */
  async #use<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw problemOfSystem(this.#directory, error) ?? error;
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
  return (await readdir(directory, { withFileTypes: true }).catch(unlessMissing)) ?? [];
}

/** A part of the key may also be a file, which has no object below it. @throws every other error */
function unlessMissing(error: unknown): null {
  const code = systemErrorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  throw error;
}
