import { randomUUID } from 'node:crypto';
import { constants, type Dirent, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { exists, makeDirectory, systemErrorCode } from '../../base/files/dir.ts';
import { syncDirectory, writeAndClose } from '../../base/files/replace-file.ts';
import { DamagedObject } from '../backup-problem.ts';
import {
  checkKey,
  checkPrefix,
  checkSize,
  isKey,
  type StoredObject,
  type Target,
  UNFINISHED_PREFIX,
} from './target.ts';
import { problemOfSystem, TargetProblem } from './target-problem.ts';

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
    await this.#use(async () => {
      await this.#checkExistingParent(path);
      await this.#replace(path, content);
    });
  }

  async get(key: string): Promise<Buffer | null> {
    const path = this.#pathOf(key);
    return this.#use(() => this.#read(key, path).catch(unlessMissing));
  }

  async has(key: string): Promise<boolean> {
    const path = this.#pathOf(key);
    const stats = await this.#use(() => this.#statOf(path).catch(unlessMissing));
    return stats?.isFile() === true;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkPrefix(prefix);
    yield* this.#listDirectory(prefix);
  }

  /** Directories stay, because another `put` may use them right now. */
  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await this.#use(() => this.#remove(path).catch(unlessMissing));
  }

  async erase(key: string): Promise<void> {
    await this.delete(key);
  }

  async removeUnfinished(prefix: string, before: Date): Promise<void> {
    checkPrefix(prefix);
    const directory = join(this.#directory, prefix);
    for (const entry of await this.#use(() => this.#entriesOf(directory))) {
      const path = join(directory, entry.name);
      if (entry.isDirectory() && prefix !== '' && isKey(`${prefix}${entry.name}`))
        await this.removeUnfinished(`${prefix}${entry.name}/`, before);
      if (!entry.isFile() || !entry.name.startsWith(UNFINISHED_PREFIX)) continue;
      const stats = await this.#use(() => lstat(path).catch(unlessMissing));
      if (stats && stats.mtime < before) await this.#use(() => rm(path, { force: true }));
    }
  }

  async #read(key: string, path: string): Promise<Buffer> {
    await this.#checkParent(path);
    await using file = await openObject(key, path);
    const stats = await file.stat();
    if (!stats.isFile()) throw new DamagedObject(`${key} is damaged: it is no regular file`);
    checkSize(key, stats.size);
    return await file.readFile();
  }

  async #statOf(path: string): Promise<Stats> {
    await this.#checkParent(path);
    return lstat(path);
  }

  async #remove(path: string): Promise<void> {
    await this.#checkParent(path);
    await rm(path, { force: true });
    await syncDirectory(dirname(path));
  }

  /**
   * Refuses links below the directory: another user of the target could lead to files of the host.
   *
   * @throws TargetProblem, and system errors for a parent that is missing
   */
  async #checkParent(path: string): Promise<void> {
    const root = await realpath(this.#directory);
    const below = relative(this.#directory, dirname(path));
    if ((await realpath(dirname(path))) === join(root, below)) return;
    throw new TargetProblem('refused', this.#directory, `has a link in the path ${below}`, {
      nextStep: 'find out who created the link, and remove it',
    });
  }

  /** For a path whose parents are created. */
  async #checkExistingParent(path: string): Promise<void> {
    try {
      await this.#checkParent(path);
    } catch (error) {
      unlessMissing(error);
      if (dirname(path) !== this.#directory) await this.#checkExistingParent(dirname(path));
    }
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
    for (const entry of await this.#use(() => this.#entriesOf(directory))) {
      const key = `${prefix}${entry.name}`;
      if (!isKey(key)) continue;
      if (entry.isDirectory()) yield* this.#listDirectory(`${key}/`);
      if (!entry.isFile()) continue;
      const stats = await this.#use(() => lstat(join(directory, entry.name)).catch(unlessMissing));
      if (stats) yield { key, bytes: stats.size, storedAt: stats.mtime };
    }
  }

  async #entriesOf(directory: string): Promise<Dirent[]> {
    try {
      await this.#checkParent(join(directory, 'any'));
      return await readdir(directory, { withFileTypes: true });
    } catch (error) {
      return unlessMissing(error) ?? [];
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

/** Never waits, as the open of a FIFO does. @throws DamagedObject for a link */
async function openObject(key: string, path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const isSpecial = ['ELOOP', 'ENXIO'].includes(systemErrorCode(error) ?? '');
    throw isSpecial ? new DamagedObject(`${key} is damaged: it is no regular file`, { cause: error }) : error;
  }
}

/** A part of the key may also be a file, which has no object below it. @throws every other error */
function unlessMissing(error: unknown): null {
  const code = systemErrorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  throw error;
}
