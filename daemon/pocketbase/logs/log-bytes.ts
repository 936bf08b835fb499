import { execFile } from 'node:child_process';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';

const COPY_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Copies complete lines, at most `length` bytes, and waits until they are on the disk.
 *
 * @returns the number of copied bytes
 */
export async function copyLines(from: string, to: string, position: number, length: number): Promise<number> {
  await using source = await open(from, 'r');
  await using target = await open(to, 'w', 0o600);
  const buffer = Buffer.alloc(COPY_BYTES);
  let copied = 0;
  let lines = 0;
  while (copied < length) {
    const wanted = Math.min(buffer.length, length - copied);
    const { bytesRead } = await source.read(buffer, 0, wanted, position + copied);
    if (bytesRead === 0) break;
    await target.write(buffer, 0, bytesRead, copied);
    const newline = buffer.lastIndexOf(NEWLINE, bytesRead - 1);
    if (newline !== -1) lines = copied + newline + 1;
    copied += bytesRead;
  }
  // A single line that is longer than `length` is cut.
  const complete = lines > 0 ? lines : copied;
  await target.truncate(complete);
  await target.sync();
  return complete;
}

const run = promisify(execFile);

/** Frees the disk space of the first bytes of a file, and keeps all offsets. Node has no call for it. Source: fallocate(1). */
export async function punchHole(path: string, length: number): Promise<void> {
  await run('fallocate', ['--punch-hole', '--offset', '0', '--length', String(length), path]);
}

/** The size in bytes; 0 for a missing file. */
export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Reads up to `length` bytes from `position`; none at the end of the file, or when it is missing. */
export async function readBytes(
  path: string,
  position: number,
  length: number,
): Promise<Buffer<ArrayBuffer>> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
