import { readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory } from '../../base/files/dir.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { LogLimits } from '../../config/config.ts';
import { copyLines, punchHole, readBytes, sizeOf } from './log-bytes.ts';

/** Maximum size of a part; a quarter of the limit of the log if that is less. */
const PART_BYTES = 8 * 1024 * 1024;
/** Disk space that a file system may still use for a hole and for metadata. */
const HOLE_SLACK_BYTES = 64 * 1024;
/** `<position of its end>[-<offset in the live file after it>].log` */
const PART_NAME = /^(\d{16})(?:-(\d+))?\.log$/;

/** Bytes of the log that were moved out of the live file. */
interface Part {
  path: string;
  start: number;
  end: number;
}

/**
 * The log of one instance as one continuous stream of bytes. A position in it does not change with rotations and restarts
 * of the instance or the daemon.
 *
 *   parts (oldest first)                         live file
 *   | 0 … 8 MiB | 8 … 16 MiB | 16 … 20 MiB |  (hole)   | 20 MiB … end |
 *                                             offset 0   #live.offset
 *
 * PocketBase appends to the live file and cannot be made to open another one. So a rotation copies lines into a part and
 * then frees their space in the live file with a hole. This is safe while a process appends. The name of a part has the
 * offset in the live file after it, so the state is clear after a crash at any time. The next start of the instance, when
 * no process writes, begins a new live file.
 */
export class LogFiles {
  readonly live: string;
  readonly #directory: string;
  readonly #limits: LogLimits;
  readonly #partBytes: number;
  #parts: Part[] = [];
  /** Position `start` of the log is at byte `offset` of the live file. Earlier positions are in the parts. */
  #live = { start: 0, offset: 0 };
  #loaded: Promise<void> | null = null;
  #changes: Promise<unknown> = Promise.resolve();
  readonly #reset = new SingleFlight<void>();

  constructor(live: string, limits: LogLimits) {
    this.live = live;
    this.#directory = `${live.replace(/\.log$/, '')}.old`;
    this.#limits = limits;
    this.#partBytes = Math.min(PART_BYTES, Math.ceil(limits.maxBytes / 4));
  }

  /** The first position that is in the live file. */
  get liveStart(): number {
    return this.#live.start;
  }

  /** The position of the next byte that will be written. */
  async end(): Promise<number> {
    await this.#load();
    const bytes = await this.#liveBytes();
    // Read after the await, which may have changed it.
    return this.#live.start + bytes;
  }

  /**
   * Reads up to `length` bytes from a position on. Positions that have been removed are skipped.
   *
   * @returns the bytes and their position; no bytes at the end
   */
  async read(position: number, length: number): Promise<{ bytes: Buffer<ArrayBuffer>; position: number }> {
    await this.#load();
    let from = position;
    for (;;) {
      const part = this.#parts.find(({ end }) => from < end);
      if (part) {
        const { path } = part;
        from = Math.max(from, part.start);
        const bytes = await readBytes(path, from - part.start, Math.min(length, part.end - from));
        if (bytes.length > 0) return { bytes, position: from };
        // The part was removed, unless it was only renamed.
        if (part.path === path) from = part.end;
        continue;
      }
      const live = this.#live;
      const bytes = await readBytes(this.live, from - live.start + live.offset, length);
      // If a rotation took place during the read, the bytes may be zeros of a hole: read again.
      if (live === this.#live) return { bytes, position: from };
    }
  }

  /**
   * Starts a new live file if the current one is large. Call it while no process writes.
   *
   * @returns the position of the next byte
   */
  prepare(): Promise<number> {
    return this.#exclusively(async () => {
      const size = await this.#liveBytes();
      if (this.#live.offset === 0 && size <= this.#partBytes) {
        if (size === 0) await makeDirectory(dirname(this.live));
        return this.#live.start + size;
      }
      while ((await this.#liveBytes()) > 0) await this.#moveToPart(this.#partBytes, false);
      await rm(this.live, { force: true });
      await this.#resetLiveFile();
      return this.#live.start;
    });
  }

  /** Whether the log has parts or needs a rotation. */
  async hasGrown(): Promise<boolean> {
    await this.#load();
    return this.#parts.length > 0 || (await this.#liveBytes()) > this.#partBytes;
  }

  /** Moves lines of a large live file into parts, also while a process writes. Stops at the end as of the call. */
  rotate(): Promise<void> {
    return this.#exclusively(async () => {
      const end = await this.end();
      while (end - this.#live.start > this.#partBytes && (await this.#liveBytes()) > this.#partBytes) {
        await this.#moveToPart(this.#partBytes, true);
      }
    });
  }

  /** Removes parts that are too old, and the oldest parts of a log that is too large. */
  removeExpired(now: Date): Promise<void> {
    return this.#exclusively(() => this.#removeExpired(now));
  }

  async #removeExpired(now: Date): Promise<void> {
    let kept = (await this.#liveBytes()) + this.#parts.reduce((sum, { start, end }) => sum + end - start, 0);
    for (const part of this.#parts.slice()) {
      const { mtimeMs } = await stat(part.path);
      const isOld = now.getTime() - mtimeMs > this.#limits.retentionMs;
      if (part.start === part.end || (!isOld && kept <= this.#limits.maxBytes)) continue;
      kept -= part.end - part.start;
      if (part === this.#parts.at(-1)) {
        // Its name is still needed for the offset in the live file.
        part.start = part.end;
        await truncate(part.path, 0);
      } else {
        this.#parts = this.#parts.filter((other) => other !== part);
        await rm(part.path, { force: true });
      }
    }
  }

  async #liveBytes(): Promise<number> {
    const size = await sizeOf(this.live);
    // A user has emptied or removed the file.
    if (size < this.#live.offset) await this.#resetLiveFile();
    return size - this.#live.offset;
  }

  /** Serializes changes of the files. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(() => this.#load()).then(work);
    this.#changes = result.catch(() => {});
    return result;
  }

  async #load(): Promise<void> {
    this.#loaded ??= this.#read();
    try {
      await this.#loaded;
    } catch (error) {
      this.#loaded = null;
      throw error;
    }
  }

  async #read(): Promise<void> {
    const names = await readdir(this.#directory).catch((error: NodeJS.ErrnoException): string[] => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    let offset = 0;
    this.#parts = [];
    for (const name of names.toSorted()) {
      const path = join(this.#directory, name);
      const match = PART_NAME.exec(name);
      if (!match) {
        // An incomplete copy of a daemon that ended. Its lines are still in the live file.
        if (name.endsWith('.copying')) await rm(path, { force: true });
        continue;
      }
      const end = Number(match[1]);
      this.#parts.push({ path, start: end - (await sizeOf(path)), end });
      offset = Number(match[2] ?? 0);
    }
    this.#live = { start: this.#parts.at(-1)?.end ?? 0, offset };
    if (offset > 0) await this.#finishRotation(offset);
  }

  /** Completes the rotation of a daemon that ended before it made the hole, or before it recorded the new live file. */
  async #finishRotation(offset: number): Promise<void> {
    if ((await sizeOf(this.live)) < offset) {
      await this.#resetLiveFile();
      return;
    }
    const { size, blocks } = await stat(this.live);
    if (blocks * 512 > size - offset + HOLE_SLACK_BYTES) await punchHole(this.live, offset);
  }

  /** Records that the live file is a new one, with offset 0. Concurrent calls share one run. */
  #resetLiveFile(): Promise<void> {
    return this.#reset.run(this.live, () => this.#recordNewLiveFile());
  }

  async #recordNewLiveFile(): Promise<void> {
    this.#live = { start: this.#live.start, offset: 0 };
    const last = this.#parts.at(-1);
    if (!last) return;
    const path = join(this.#directory, partName(last.end));
    if (path === last.path) return;
    await rename(last.path, path);
    last.path = path;
  }

  /**
   * Moves the first lines of the live file, up to `length` bytes, into a new part.
   *
   * @param free whether to free their space in the live file
   */
  async #moveToPart(length: number, free: boolean): Promise<void> {
    const { start, offset } = this.#live;
    await makeDirectory(this.#directory);
    const copy = join(this.#directory, `${basename(this.live)}.copying`);
    const copied = await copyLines(this.live, copy, offset, Math.min(length, await this.#liveBytes()));
    const end = start + copied;
    const path = join(this.#directory, partName(end, offset + copied));
    await rename(copy, path);
    this.#parts.push({ path, start, end });
    this.#live = { start: end, offset: offset + copied };
    if (!free) return;
    try {
      await punchHole(this.live, offset + copied);
    } catch (error) {
      // On a file system without holes, the copy would only take more space.
      this.#parts.pop();
      this.#live = { start, offset };
      await rm(path, { force: true });
      throw error;
    }
  }
}

function partName(end: number, liveOffset?: number): string {
  return `${String(end).padStart(16, '0')}${liveOffset === undefined ? '' : `-${liveOffset}`}.log`;
}
