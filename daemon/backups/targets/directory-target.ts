import { randomUUID } from 'node:crypto';
import {
  close,
  constants,
  type Dirent,
  fstatSync,
  open as openWithCallback,
  readlinkSync,
  read as readWithCallback,
  type Stats,
} from 'node:fs';
import { access, lstat, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { forEachConcurrent, readAhead } from '../../base/concurrent.ts';
import { exists, makeDirectory, systemErrorCode } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { syncDirectory, writeAndClose } from '../../base/files/replace-file.ts';
import { DamagedObject } from '../backup-problem.ts';
import {
  checkKey,
  checkPrefix,
  checkSize,
  isKey,
  type NewObject,
  type StoredObject,
  type Target,
  UNFINISHED_PREFIX,
} from './target.ts';
import { problemOfSystem, TargetProblem } from './target-problem.ts';

/** Objects of `node:fs/promises` for files take more time than a small file. */
const openFile = promisify(openWithCallback);
const readFrom = promisify(readWithCallback);

/** Of the file system: concurrent ones share the writes of its journal. */
const CONCURRENT_CALLS = 16;

const NEXT_STEPS = {
  refused: 'mount it with write access, and let the user of fathomd write to it',
  away: 'mount it, or start its server; backups continue when it answers again',
} as const;

/** Of one operation. A mounted directory whose server is away can keep calls waiting for ever. */
const TIMEOUT_MS = 300_000;

/** Stores each object in a file of a local directory, or of a mounted one. */
export class DirectoryTarget implements Target {
  readonly #directory: string;
  readonly #timeoutMs: number;
  /** Its path without links. */
  #real = '';
  /** Directories that exist, and are on the disk. */
  readonly #made = new Set<string>();

  /** @param directory absolute; it is created at the first `put` */
  constructor(directory: string, { timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {}) {
    this.#directory = resolve(directory);
    this.#timeoutMs = timeoutMs;
  }

  put(key: string, content: Uint8Array): Promise<void> {
    return this.putAll([{ key, content }]);
  }

  /** Each directory is synced once, as a disk needs longer for that than for the content. */
  async putAll(objects: readonly NewObject[]): Promise<void> {
    const writes = objects.map(({ key, content }) => ({ path: this.#pathOf(key), content }));
    const parents = new Set(writes.map(({ path }) => dirname(path)));
    await this.#use(async () => {
      await forEachConcurrent(parents, CONCURRENT_CALLS, (parent) => this.#checkExisting(parent));
      await this.#makeDirectories(parents);
      await this.#replaceAll(writes);
      await forEachConcurrent(parents, CONCURRENT_CALLS, syncDirectory);
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
    for (const entry of await this.#entriesOf(directory)) {
      const path = join(directory, entry.name);
      if (entry.isDirectory() && prefix !== '' && isKey(`${prefix}${entry.name}`))
        await this.removeUnfinished(`${prefix}${entry.name}/`, before);
      if (!entry.isFile() || !entry.name.startsWith(UNFINISHED_PREFIX)) continue;
      const stats = await this.#use(() => lstat(path).catch(unlessMissing));
      if (stats && stats.mtime < before) await this.#use(() => rm(path, { force: true }));
    }
  }

  async eraseAll(prefix: string): Promise<void> {
    const path = join(this.#directory, checkPrefix(prefix).slice(0, -1));
    await this.#use(() => this.#removeAll(path).catch(unlessMissing));
    for (const made of this.#made) if (`${made}/`.startsWith(`${path}/`)) this.#made.delete(made);
  }

  /** With few calls, as a restore reads many objects. Only calls that may wait for a server are asynchronous. */
  async #read(key: string, path: string): Promise<Buffer> {
    if (this.#real === '') this.#real = await this.#resolve();
    const file = await this.#openObject(key, path);
    try {
      // It is cheaper than a look at each directory of the path.
      const isInPlace = readlinkSync(`/proc/self/fd/${file}`) === join(this.#real, key);
      if (!isInPlace) await this.#checkDirectory(dirname(path));
      // The system knows it since the open.
      const stats = fstatSync(file);
      if (!stats.isFile()) throw new DamagedObject(`${key} is damaged: it is no regular file`);
      checkSize(key, stats.size);
      const content = Buffer.allocUnsafeSlow(stats.size);
      return content.subarray(0, await fillFrom(file, content));
    } finally {
      // A file that was only read loses nothing.
      close(file, () => {});
    }
  }

  /** Never waits, as the open of a FIFO does. @throws DamagedObject for a link */
  async #openObject(key: string, path: string): Promise<number> {
    try {
      return await openFile(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      const isSpecial = ['ELOOP', 'ENXIO'].includes(systemErrorCode(error) ?? '');
      if (isSpecial) throw new DamagedObject(`${key} is damaged: it is no regular file`, { cause: error });
      // Behind a link, nothing is missing.
      await this.#checkDirectory(dirname(path));
      throw error;
    }
  }

  async #statOf(path: string): Promise<Stats> {
    await this.#checkDirectory(dirname(path));
    return lstat(path);
  }

  async #remove(path: string): Promise<void> {
    await this.#checkDirectory(dirname(path));
    await rm(path, { force: true });
    await syncDirectory(dirname(path));
  }

  async #removeAll(path: string): Promise<void> {
    await this.#checkDirectory(dirname(path));
    await removeTree(path);
    await syncDirectory(dirname(path));
  }

  /**
   * Refuses links below the directory: another user of the target could lead to files of the host.
   *
   * @throws TargetProblem, and system errors for a parent that is missing
   */
  async #checkDirectory(directory: string): Promise<void> {
    const below = relative(this.#directory, directory);
    if (this.#real === '') this.#real = await this.#resolve();
    const real = await realpath(directory);
    if (real === join(this.#real, below)) return;
    // The directory may be a link that has changed.
    this.#real = await this.#resolve();
    if (real === join(this.#real, below)) return;
    throw new TargetProblem('refused', this.#directory, `has a link in the path ${below}`, {
      nextStep: 'find out who created the link, and remove it',
    });
  }

  /** Its path without links. A file in its place would look like a target without backups. @throws TargetProblem */
  async #resolve(): Promise<string> {
    try {
      const real = await realpath(this.#directory);
      // Fails with ENOTDIR for a file.
      await access(`${real}/.`);
      return real;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOTDIR') throw error;
      throw new TargetProblem('missing', this.#directory, 'is a file, or below one', {
        nextStep: 'set BACKUP_TARGET to a directory',
        cause: error,
      });
    }
  }

  /** For a directory that is created with its parents. */
  async #checkExisting(directory: string): Promise<void> {
    try {
      await this.#checkDirectory(directory);
    } catch (error) {
      unlessMissing(error);
      if (directory !== this.#directory) await this.#checkExisting(dirname(directory));
    }
  }

  /** Gives objects their names when all are on the disk. */
  async #replaceAll(writes: readonly { path: string; content: Uint8Array }[]): Promise<void> {
    const written: { unfinished: string; path: string }[] = [];
    try {
      await forEachConcurrent(writes, CONCURRENT_CALLS, async ({ path, content }) => {
        const unfinished = join(dirname(path), `${UNFINISHED_PREFIX}${randomUUID()}`);
        written.push({ unfinished, path });
        await writeAndClose(await open(unfinished, 'wx', 0o600), content);
      });
      await forEachConcurrent(written, CONCURRENT_CALLS, ({ unfinished, path }) => rename(unfinished, path));
    } catch (error) {
      for (const { unfinished } of written) await rm(unfinished, { force: true });
      throw error;
    }
  }

  async *#listDirectory(prefix: string): AsyncIterable<StoredObject> {
    const directory = join(this.#directory, prefix);
    const known = (await this.#entriesOf(directory)).filter(({ name }) => isKey(`${prefix}${name}`));
    const files = known.filter((entry) => entry.isFile()).map(({ name }) => name);
    const describe = async (name: string): Promise<StoredObject | null> => {
      const stats = await this.#use(() => lstat(join(directory, name)).catch(unlessMissing));
      return stats && { key: `${prefix}${name}`, bytes: stats.size, storedAt: stats.mtime };
    };
    for await (const object of readAhead(files, CONCURRENT_CALLS, describe)) if (object) yield object;
    for (const entry of known) if (entry.isDirectory()) yield* this.#listDirectory(`${prefix}${entry.name}/`);
  }
  /** None of a directory that is missing. @throws TargetProblem */
  async #entriesOf(directory: string): Promise<Dirent[]> {
    const read = async () => {
      await this.#checkDirectory(directory);
      return readdir(directory, { withFileTypes: true });
    };
    return this.#use(async () => (await read().catch(unlessMissing)) ?? []);
  }

  /** @throws TargetProblem */
  async #use<T>(work: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const seconds = Math.ceil(this.#timeoutMs / 1000);
      late.reject(new TargetProblem('slow', this.#directory, `did not answer for ${seconds} s`));
    }, this.#timeoutMs);
    try {
      return await Promise.race([work(), late.promise]);
    } catch (error) {
      throw problemOfSystem(this.#directory, error, NEXT_STEPS) ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  #pathOf(key: string): string {
    return join(this.#directory, checkKey(key));
  }

  async #makeDirectories(paths: Iterable<string>): Promise<void> {
    const missing = [...paths].filter((path) => !this.#made.has(path));
    if (missing.length === 0) return;
    const isNew = !(await exists(this.#directory));
    await forEachConcurrent(missing, CONCURRENT_CALLS, makeDirectory);
    const parents = new Set(missing.flatMap((path) => this.#parentsOf(path)));
    await forEachConcurrent(parents, CONCURRENT_CALLS, syncDirectory);
    if (isNew) await syncDirectory(dirname(this.#directory));
    for (const path of missing) this.#made.add(path);
  }

  /** Directories of the target that contain a directory of it. */
  #parentsOf(path: string): string[] {
    return path === this.#directory ? [] : [dirname(path), ...this.#parentsOf(dirname(path))];
  }
}

/** @returns the number of bytes, which is less than the buffer has when the file ends before */
async function fillFrom(file: number, buffer: Buffer): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await readFrom(file, buffer, filled, buffer.length - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** A part of the key may also be a file, which has no object below it. @throws every other error */
function unlessMissing(error: unknown): null {
  const code = systemErrorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  throw error;
}
