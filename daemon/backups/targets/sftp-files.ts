import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2';
import type { SftpConnection } from './sftp-connection.ts';

/** What every server accepts in one request. */
const SLICE_BYTES = 32 * 1024;
/** Requests on the way at a time, so that the distance to the server costs little. */
const SLICES_AT_ONCE = 32;

/** Status codes of the protocol. OpenSSH reports a full disk as a failure. */
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const FAILURE = 4;

type Callback<T> = (error: Error | null | undefined, result: T) => void;
type EmptyCallback = (error?: Error | null) => void;

/** A request got no response in time. */
export class SftpTimeout extends Error {
  override readonly name = 'SftpTimeout';
}

/** Files of one connection. Errors are those of the protocol, or SftpTimeout. */
export class SftpFiles {
  readonly #connection: SftpConnection;
  readonly #timeoutMs: number;

  constructor(connection: SftpConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  /** Creates a file, which must not exist, with its content on the disk. */
  async write(path: string, content: Uint8Array): Promise<void> {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
    await this.#withFile(path, 'wx', async (handle) => {
      await eachSlice(bytes.length, (start, length) =>
        this.#run((sftp, done) => sftp.write(handle, bytes, start, length, start, done)),
      );
      await this.#run((sftp, done) => sftp.ext_openssh_fsync(handle, done));
    });
  }

  /** @param check throws for a file that is not to be read; called before the open, which waits at a FIFO, and after it */
  async read(path: string, check: (stats: Stats) => void): Promise<Buffer> {
    check(await this.stat(path));
    return this.#withFile(path, 'r', async (handle) => {
      const stats = await this.#request<Stats>((sftp, done) => sftp.fstat(handle, done));
      check(stats);
      const content = Buffer.allocUnsafe(stats.size);
      await eachSlice(content.length, async (start, length) => {
        for (let read = 0; read < length; ) {
          const at = start + read;
          read += await this.#request<number>((sftp, done) =>
            sftp.read(handle, content, at, length - read, at, done),
          );
        }
      });
      return content;
    });
  }

  /** Follows no link. */
  stat(path: string): Promise<Stats> {
    return this.#request((sftp, done) => sftp.lstat(path, done));
  }

  /** Whether the path leads to a directory, also over a link. */
  async isDirectory(path: string): Promise<boolean> {
    const stats = await this.#request<Stats>((sftp, done) => sftp.stat(path, done)).catch(unlessNoSuchFile);
    return stats?.isDirectory() === true;
  }

  /** The path without links. */
  realPath(path: string): Promise<string> {
    return this.#request<string>((sftp, done) => sftp.realpath(path, done));
  }

  list(directory: string): Promise<FileEntryWithStats[]> {
    return this.#request((sftp, done) => sftp.readdir(directory, done));
  }

  /** Replaces the file at `to`. */
  rename(from: string, to: string): Promise<void> {
    return this.#run((sftp, done) => sftp.ext_openssh_rename(from, to, done));
  }

  remove(path: string): Promise<void> {
    return this.#run((sftp, done) => sftp.unlink(path, done));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#run((sftp, done) => sftp.rmdir(path, done));
  }

  /** Creates a directory of this account only. */
  makeDirectory(path: string): Promise<void> {
    return this.#run((sftp, done) => sftp.mkdir(path, { mode: 0o700 }, done));
  }

  /** Blocks of the file system that this account may use. */
  async freeBlocks(directory: string): Promise<number> {
    const { f_bavail } = await this.#request<{ f_bavail: number }>((sftp, done) =>
      sftp.ext_openssh_statvfs(directory, done),
    );
    return f_bavail;
  }

  async #withFile<T>(path: string, flags: 'r' | 'wx', work: (handle: Buffer) => Promise<T>): Promise<T> {
    const handle = await this.#request<Buffer>((sftp, done) => sftp.open(path, flags, { mode: 0o600 }, done));
    try {
      return await work(handle);
    } finally {
      await this.#run((sftp, done) => sftp.close(handle, done));
    }
  }

  #run(send: (sftp: SFTPWrapper, done: EmptyCallback) => void): Promise<void> {
    return this.#request<void>((sftp, done) => send(sftp, (error) => done(error, undefined)));
  }

  /** Requests of a connection that has ended get no response. */
  async #request<T>(send: (sftp: SFTPWrapper, done: Callback<T>) => void): Promise<T> {
    const { sftp, ended } = this.#connection;
    ended.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = () => reject(ended.reason);
    ended.addEventListener('abort', fail, { once: true });
    const timer = setTimeout(() => {
      reject(new SftpTimeout(`no response in ${this.#timeoutMs / 1000} s`));
      this.#connection.end();
    }, this.#timeoutMs);
    send(sftp, (error, result) => (error ? reject(error) : resolve(result)));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      ended.removeEventListener('abort', fail);
    }
  }
}

export function isNoSuchFile(error: unknown): boolean {
  return statusOf(error) === NO_SUCH_FILE;
}

export function isPermissionDenied(error: unknown): boolean {
  return statusOf(error) === PERMISSION_DENIED;
}

export function isFailure(error: unknown): boolean {
  return statusOf(error) === FAILURE;
}

/** For a `catch` on a path that may be missing. @throws every other error */
export function unlessNoSuchFile(error: unknown): null {
  if (isNoSuchFile(error)) return null;
  throw error;
}

function statusOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

async function eachSlice(
  bytes: number,
  work: (start: number, length: number) => Promise<void>,
): Promise<void> {
  const window = SLICE_BYTES * SLICES_AT_ONCE;
  for (let first = 0; first < bytes; first += window) {
    const slices: Promise<void>[] = [];
    const end = Math.min(first + window, bytes);
    for (let start = first; start < end; start += SLICE_BYTES) {
      slices.push(work(start, Math.min(SLICE_BYTES, end - start)));
    }
    await Promise.all(slices);
  }
}
