import { copyFile, mkdir, open, rename, stat, truncate } from 'node:fs/promises';
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
    try {
      return (await stat(this.path)).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
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
    const start = Math.max(from, size - TAIL_BYTES);
    if (start >= size) return { lines: [], end: size, rest: '' };
    const lines = (await this.#read(start, size - start)).split('\n');
    // The first piece may be the end of a longer line.
    if (start > from) lines.shift();
    const rest = lines.pop() ?? '';
    return { lines: lines.slice(-count), end: size - Buffer.byteLength(rest), rest };
  }

  /** Hands over every line from byte `from` on, until the signal aborts. */
  async follow(from: number, onLine: (line: LogLine) => void, signal: AbortSignal): Promise<void> {
    let position = from;
    let rest = '';
    while (!signal.aborted) {
      const size = await this.size();
      // Smaller than before: it was rotated, so everything in it is new.
      if (size < position) position = 0;
      if (size === position) {
        await this.#clock.sleep(FOLLOW_POLL_MS, signal);
        continue;
      }
      const length = Math.min(size - position, FOLLOW_BYTES);
      const lines = (rest + (await this.#read(position, length))).split('\n');
      position += length;
      rest = lines.pop() ?? '';
      for (const text of lines) {
        if (signal.aborted) return;
        onLine({ at: this.#clock.now().toISOString(), text });
      }
    }
  }

  async #read(position: number, length: number): Promise<string> {
    const file = await open(this.path, 'r');
    try {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await file.read(buffer, 0, length, position);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  }
}
