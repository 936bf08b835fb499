import { randomUUID } from 'node:crypto';
import { dirname, join, relative } from 'node:path/posix';
import type { Stats } from 'ssh2';
import { Semaphore } from '../../base/semaphore.ts';
import { DamagedObject } from '../backup-problem.ts';
import { connectSftp, type SftpConnection, type SftpServer } from './sftp-connection.ts';
import {
  isFailure,
  isNoSuchFile,
  isPermissionDenied,
  SftpFiles,
  SftpTimeout,
  unlessNoSuchFile,
} from './sftp-files.ts';
import {
  checkKey,
  checkPrefix,
  checkSize,
  isKey,
  type NewObject,
  putEach,
  type StoredObject,
  type Target,
  UNFINISHED_PREFIX,
} from './target.ts';
import { problemOf, problemOfSystem, TargetProblem } from './target-problem.ts';

/** Directories that are read at a time, so that the distance to the server costs little. */
const DIRECTORIES_AT_ONCE = 16;
/** Unused connections end. */
const IDLE_MS = 30_000;

export interface SftpOptions extends SftpServer {
  /** Absolute, or relative to the home directory of the account. */
  directory: string;
  /** Of one request. */
  requestTimeoutMs: number;
}

/** Stores each object in a file of an SFTP server, which needs the extensions of OpenSSH. */
export class SftpTarget implements Target {
  readonly #options: SftpOptions;
  readonly #where: string;
  #connecting: Promise<SftpConnection> | null = null;
  #operations = 0;
  #idle: NodeJS.Timeout | null = null;

  constructor(options: SftpOptions) {
    this.#options = options;
    const { user, host, port, directory } = options;
    this.#where = `sftp://${user}@${host}:${port}${join('/', directory)}`;
  }

  async put(key: string, content: Uint8Array): Promise<void> {
    const path = this.#pathOf(key);
    await this.#use(async (files) => {
      // A new name for each try: the lost connection may have left the file.
      const unfinished = join(dirname(path), `${UNFINISHED_PREFIX}${randomUUID()}`);
      await this.#checkExistingDirectory(files, dirname(path));
      try {
        await this.#writeFile(files, unfinished, content);
        await files.rename(unfinished, path);
      } catch (error) {
        // Best effort: the connection may have ended, and unfinished files are not listed.
        await files.remove(unfinished).catch(() => {});
        throw error;
      }
    });
  }

  putAll(objects: readonly NewObject[]): Promise<void> {
    return putEach(this, objects);
  }

  async get(key: string): Promise<Buffer | null> {
    const path = this.#pathOf(key);
    return this.#use(async (files) => {
      const read = async () => {
        await this.#checkDirectory(files, dirname(path));
        return files.read(path, (stats) => checkObject(key, stats));
      };
      return read().catch(unlessNoSuchFile);
    });
  }

  async has(key: string): Promise<boolean> {
    const path = this.#pathOf(key);
    const stats = await this.#use(async (files) => {
      const read = async () => {
        await this.#checkDirectory(files, dirname(path));
        return files.stat(path);
      };
      return read().catch(unlessNoSuchFile);
    });
    return stats?.isFile() === true;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    checkPrefix(prefix);
    const { directory } = this.#options;
    yield* await this.#use(async (files) => {
      await this.#checkExistingDirectory(files, join(directory, prefix));
      return listBelow(files, directory, prefix);
    });
  }

  /** Directories stay, because another `put` may use them right now. */
  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await this.#use(async (files) => {
      const remove = async () => {
        await this.#checkDirectory(files, dirname(path));
        await files.remove(path);
      };
      await remove().catch(unlessNoSuchFile);
    });
  }

  async erase(key: string): Promise<void> {
    await this.delete(key);
  }

  async removeUnfinished(prefix: string, before: Date): Promise<void> {
    checkPrefix(prefix);
    const { directory } = this.#options;
    await this.#use(async (files) => {
      await this.#checkExistingDirectory(files, join(directory, prefix));
      const isDeep = prefix !== '';
      for (const path of await findUnfinished(files, join(directory, prefix), { before, isDeep }))
        await files.remove(path).catch(unlessNoSuchFile);
    });
  }

  async eraseAll(prefix: string): Promise<void> {
    const path = join(this.#options.directory, checkPrefix(prefix).slice(0, -1));
    await this.#use(async (files) => {
      await this.#checkExistingDirectory(files, path);
      await removeBelow(files, path).catch(unlessNoSuchFile);
    });
  }

  /** Refuses links below the directory of the target. @throws TargetProblem, and errors for a directory that is missing */
  async #checkDirectory(files: SftpFiles, path: string): Promise<void> {
    const { directory } = this.#options;
    const below = relative(directory, path);
    const [root, real] = await Promise.all([files.realPath(directory), files.realPath(path)]);
    if (real === join(root, below)) return;
    throw new TargetProblem('refused', this.#where, `has a link in the path ${below}`, {
      nextStep: 'find out who created the link, and remove it',
    });
  }

  /** Checks the parents of a directory that is missing. */
  async #checkExistingDirectory(files: SftpFiles, path: string): Promise<void> {
    try {
      await this.#checkDirectory(files, path);
    } catch (error) {
      unlessNoSuchFile(error);
      if (relative(this.#options.directory, path) !== '')
        await this.#checkExistingDirectory(files, dirname(path));
    }
  }

  #pathOf(key: string): string {
    return join(this.#options.directory, checkKey(key));
  }

  async #writeFile(files: SftpFiles, path: string, content: Uint8Array): Promise<void> {
    try {
      await files.write(path, content);
    } catch (error) {
      // A full disk has no status of its own, and has space again when the unfinished file is removed.
      if (isFailure(error) && (await files.freeBlocks(dirname(path)).catch(() => null)) === 0)
        throw problemOf('full', this.#where, error);
      if (!isNoSuchFile(error)) throw error;
      await makeDirectories(files, dirname(path));
      await files.write(path, content);
    }
  }

  /** Runs work on the connection. A connection that was lost since its last use is replaced once. */
  async #use<T>(work: (files: SftpFiles) => Promise<T>): Promise<T> {
    const isReused = this.#connecting !== null;
    this.#operations += 1;
    if (this.#idle !== null) clearTimeout(this.#idle);
    try {
      for (let isLast = !isReused; ; isLast = true) {
        const connection = await this.#connect();
        try {
          return await work(new SftpFiles(connection, this.#options.requestTimeoutMs));
        } catch (error) {
          const isLost = connection.ended.aborted && !(error instanceof SftpTimeout);
          if (isLast || !isLost) throw this.#problemOf(error, connection);
        }
      }
    } finally {
      this.#operations -= 1;
      if (this.#operations === 0) await this.#rest();
    }
  }

  async #connect(): Promise<SftpConnection> {
    const connecting = (this.#connecting ??= connectSftp(this.#where, this.#options));
    try {
      const connection = await connecting;
      if (!connection.ended.aborted) {
        connection.keepProcess(true);
        return connection;
      }
    } catch (error) {
      if (this.#connecting === connecting) this.#connecting = null;
      throw error;
    }
    if (this.#connecting === connecting) this.#connecting = null;
    return this.#connect();
  }

  async #rest(): Promise<void> {
    const connection = await this.#connecting?.catch(() => null);
    if (!connection || this.#operations > 0) return;
    connection.keepProcess(false);
    this.#idle = setTimeout(() => {
      this.#connecting = null;
      connection.end();
    }, IDLE_MS).unref();
  }

  #problemOf(cause: unknown, connection: SftpConnection): unknown {
    if (cause instanceof TargetProblem || cause instanceof DamagedObject) return cause;
    if (cause instanceof SftpTimeout) return problemOf('slow', this.#where, cause);
    if (isPermissionDenied(cause)) return problemOf('refused', this.#where, cause);
    if (connection.ended.aborted) return problemOf('away', this.#where, cause);
    if (isFailure(cause)) return problemOf('refused', this.#where, cause);
    if (cause instanceof Error && /extended request/.test(cause.message))
      return problemOf('refused', this.#where, cause, 'use a server with the extensions of OpenSSH');
    return problemOfSystem(this.#where, cause) ?? cause;
  }
}

/** @throws DamagedObject */
function checkObject(key: string, stats: Stats): void {
  if (!stats.isFile()) throw new DamagedObject(`${key} is damaged: it is no regular file`);
  checkSize(key, stats.size);
}

/** Creates a directory and its missing parents. */
async function makeDirectories(files: SftpFiles, path: string): Promise<void> {
  try {
    await files.makeDirectory(path);
  } catch (error) {
    if (isNoSuchFile(error) && dirname(path) !== path) {
      await makeDirectories(files, dirname(path));
      await makeDirectories(files, path);
      return;
    }
    // Another `put` has created it.
    if (!(await files.isDirectory(path))) throw error;
  }
}

/** Paths of files that a `put` has left. */
async function findUnfinished(
  files: SftpFiles,
  directory: string,
  { before, isDeep }: { before: Date; isDeep: boolean },
): Promise<string[]> {
  const found: string[] = [];
  for (const { filename, attrs } of (await files.list(directory).catch(unlessNoSuchFile)) ?? []) {
    const path = join(directory, filename);
    if (attrs.isDirectory() && isDeep && isKey(filename))
      found.push(...(await findUnfinished(files, path, { before, isDeep })));
    const isUnfinished = attrs.isFile() && filename.startsWith(UNFINISHED_PREFIX);
    if (isUnfinished && attrs.mtime * 1000 < before.getTime()) found.push(path);
  }
  return found;
}

/** Removes a directory with everything in it. Follows no link. */
async function removeBelow(files: SftpFiles, directory: string): Promise<void> {
  for (const { filename, attrs } of await files.list(directory)) {
    const path = join(directory, filename);
    if (attrs.isDirectory()) await removeBelow(files, path);
    else await files.remove(path);
  }
  await files.removeDirectory(directory);
}

async function listBelow(files: SftpFiles, root: string, prefix: string): Promise<StoredObject[]> {
  const slots = new Semaphore(DIRECTORIES_AT_ONCE);
  const never = new AbortController().signal;
  const found: StoredObject[] = [];
  const listDirectory = async (below: string): Promise<void> => {
    const release = await slots.acquire(never);
    const entries = await files
      .list(join(root, below))
      .catch(unlessNoSuchFile)
      .finally(() => release?.());
    const visible = (entries ?? []).filter(({ filename }) => isKey(`${below}${filename}`));
    for (const { filename, attrs } of visible) {
      if (!attrs.isFile()) continue;
      found.push({ key: `${below}${filename}`, bytes: attrs.size, storedAt: new Date(attrs.mtime * 1000) });
    }
    const directories = visible.filter(({ attrs }) => attrs.isDirectory());
    await Promise.all(directories.map(({ filename }) => listDirectory(`${below}${filename}/`)));
  };
  await listDirectory(prefix);
  return found;
}
