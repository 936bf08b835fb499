import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** Why a path was not read. `code` is an error code of the system, or one of these two. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  readonly code: 'not a regular file' | 'too large';

  constructor(path: string, code: UnreadableError['code']) {
    super(`${path} is ${code}`);
    this.code = code;
  }
}

export interface FileContent {
  text: string;
  stats: Stats;
}

/**
 * Reads a small file that others may have replaced by something else. A named pipe or a device would block the process,
 * or never end.
 *
 * @param followLink false rejects a symbolic link with `ELOOP`
 * @throws UnreadableError, or the error of open(2) or read(2)
 */
export function readRegularFile(
  path: string,
  { maxBytes, followLink = true }: { maxBytes: number; followLink?: boolean },
): FileContent {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | (followLink ? 0 : O_NOFOLLOW));
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new UnreadableError(path, 'not a regular file');
    if (stats.size > maxBytes) throw new UnreadableError(path, 'too large');
    // A file of procfs has the size 0, and a file can grow.
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= maxBytes; length += read)
      read = readSync(fd, buffer, length, buffer.length - length, null);
    if (length > maxBytes) throw new UnreadableError(path, 'too large');
    return { text: buffer.toString('utf8', 0, length), stats };
  } finally {
    closeSync(fd);
  }
}
