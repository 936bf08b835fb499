import { copyFile, type FileHandle, mkdir, open, rename, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LogLine } from '../../shared/events.ts';
import type { Clock } from '../base/clock.ts';

/** A log file is moved aside when it passes this size; one earlier file is kept. */
const ROTATE_BYTES = 8 * 1024 * 1024;
/** How much of the end of a file is read for a tail. */
const TAIL_BYTES = 256 * 1024;
/** How much is read in one go while following; what comes faster waits in the file. */
const FOLLOW_BYTES = 64 * 1024;
const FOLLOW_POLL_MS = 250;
const MAX_LINE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** What an instance prints: written by the process itself, read here. */
export class InstanceLog {
  readonly path: string;
  readonly #clock: Clock;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /**
   * Makes the directory and, if the file has grown large, moves it aside. Call while no process writes.
   *
   * @returns the byte where the next run's lines begin
   */
  async prepare(): Promise<number> {
    const size = await this.size();
    if (size === 0) await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    if (size <= ROTATE_BYTES) return size;
    await rename(this.path, `${this.path}.1`);
    return 0;
  }

  /** The same under a running process, which keeps its file open: copied, then emptied. */
  async rotateWhileRunning(): Promise<void> {
    if ((await this.size()) <= ROTATE_BYTES) return;
    await copyFile(this.path, `${this.path}.1`);
    await truncate(this.path, 0);
  }

  async size(): Promise<number> {
    return (await this.#stat())?.size ?? 0;
  }

  async #stat(): Promise<{ size: number; ino: number } | null> {
    try {
      return await stat(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  /** The last `count` lines at or after byte `from`, oldest first. */
  async tail(count: number, from = 0): Promise<string[]> {
    const { lines, rest } = await this.tailWithEnd(count, from);
    return (rest === '' ? lines : [...lines, rest]).slice(-count);
  }

  /** The complete lines among them, the byte after the last of these, from which `follow` goes on, and what is there. */
  async tailWithEnd(count: number, from = 0): Promise<{ lines: string[]; end: number; rest: string }> {
    const size = await this.size();
    // Smaller than that: it was rotated since, so everything in it is newer.
    const first = from > size ? 0 : from;
    const start = Math.max(first, size - TAIL_BYTES);
    const bytes = await readPart(this.path, start, size - start);
    const complete = bytes.lastIndexOf(NEWLINE) + 1;
    const lines = bytes.toString('utf8', 0, complete).split('\n').slice(0, -1);
    // The first piece may be the end of a longer line.
    if (start > first) lines.shift();
    return { lines: lines.slice(-count), end: start + complete, rest: bytes.toString('utf8', complete) };
  }

  /**
   * Hands over every line from byte `from` on, also over a rotation, until the signal aborts. Asks `ready` before it
   * reads more.
   */
  async follow(
    from: number,
    onLine: (line: LogLine) => void,
    signal: AbortSignal,
    ready: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    let position = from;
    let inode: number | null = null;
    let rest = Buffer.alloc(0);
    const take = async (path: string) => {
      for (;;) {
        await ready();
        if (signal.aborted) return;
        const bytes = await readPart(path, position, FOLLOW_BYTES);
        if (bytes.length === 0 || signal.aborted) return;
        position += bytes.length;
        const { lines, left } = completeLines(Buffer.concat([rest, bytes]));
        rest = left;
        for (const text of lines) onLine({ at: this.#clock.now().toISOString(), text });
      }
    };
    while (!signal.aborted) {
      const file = await this.#stat();
      if (file) {
        if (file.size < position || (inode !== null && file.ino !== inode)) {
          // It was rotated: first what is left of the file that was moved aside.
          await take(`${this.path}.1`);
          position = 0;
        }
        inode = file.ino;
        if (file.size > position) await take(this.path);
      }
      await this.#clock.sleep(FOLLOW_POLL_MS, signal);
    }
  }
}

/** Decoded line by line, as a piece that was read may end within a character. */
function completeLines(bytes: Buffer<ArrayBuffer>): { lines: string[]; left: Buffer<ArrayBuffer> } {
  let end = bytes.lastIndexOf(NEWLINE) + 1;
  // A line without an end is handed over in pieces, rather than collected for ever.
  if (end === 0 && bytes.length >= MAX_LINE_BYTES) end = bytes.length;
  const text = bytes.toString('utf8', 0, end);
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  return { lines, left: bytes.subarray(end) };
}

/** Up to `length` bytes from `position` on; none where the file ends, or is not there. */
async function readPart(path: string, position: number, length: number): Promise<Buffer<ArrayBuffer>> {
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
