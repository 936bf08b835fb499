import { readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory } from '../../base/files/dir.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { LogLimits } from '../../config/config.ts';
import { copyLines, punchHole, readBytes, sizeOf } from './log-bytes.ts';

/** A part is set aside when it has this size, or a quarter of what may be kept, whichever is less. */
const PART_BYTES = 8 * 1024 * 1024;
/** What a file system may keep of a hole, and of its own account of the file. */
const FREED_SLACK_BYTES = 64 * 1024;
/** `<position of its end>[-<byte at which the live file goes on>].log` */
const PART_NAME = /^(\d{16})(?:-(\d+))?\.log$/;

/** Bytes of the log that were moved out of the live file. */
interface Part {
  path: string;
  start: number;
  end: number;
}

/**
 * The bytes of one instance's log, as one stream that never ends: a position in it means the same for as long as the log is
 * kept, over rotations, restarts of the instance and of the daemon.
 *
 * PocketBase appends to the live file and cannot be told to open another one, with or without a daemon. So what is set
 * aside is copied into a part, and its place in the live file is then freed (a hole). A writer that only ever appends loses
 * nothing by that, whenever it writes. The part's name says where the live file goes on, so a crash at any moment leaves no
 * doubt about what was set aside. The next start of the instance, when nobody writes, begins a fresh live file.
 */
export class LogFiles {
  readonly live: string;
  readonly #directory: string;
  readonly #limits: LogLimits;
  readonly #partBytes: number;
  #parts: Part[] = [];
  /** The position `start` of the log lies at byte `at` of the live file; what is before is in the parts. */
  #live = { start: 0, at: 0 };
  #loaded: Promise<void> | null = null;
  #changes: Promise<unknown> = Promise.resolve();
  readonly #noting = new SingleFlight<void>();

  constructor(live: string, limits: LogLimits) {
    this.live = live;
    this.#directory = `${live.replace(/\.log$/, '')}.old`;
    this.#limits = limits;
    this.#partBytes = Math.min(PART_BYTES, Math.ceil(limits.maxBytes / 4));
  }

  /** The position from which on nothing was set aside yet. */
  get liveStart(): number {
    return this.#live.start;
  }

  /** The position of the next byte that will be written. */
  async end(): Promise<number> {
    await this.#load();
    const bytes = await this.#liveBytes();
    // Looked at last: it may have been moved meanwhile.
    return this.#live.start + bytes;
  }

  /**
   * Up to `length` bytes from a position on. What is not kept any more is skipped, so they may begin later.
   *
   * @returns none at the end
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
        // It was retired meanwhile, if it was not just given another name.
        if (part.path === path) from = part.end;
        continue;
      }
      const live = this.#live;
      const bytes = await readBytes(this.live, from - live.start + live.at, length);
      // Set aside while it was read: then it may have been freed already, and reads as zeros.
      if (live === this.#live) return { bytes, position: from };
    }
  }

  /**
   * Call before a process begins to write, and while none does.
   *
   * @returns the position of its first byte
   */
  prepare(): Promise<number> {
    return this.#alone(async () => {
      const size = await this.#liveBytes();
      if (this.#live.at === 0 && size <= this.#partBytes) {
        if (size === 0) await makeDirectory(dirname(this.live));
        return this.#live.start + size;
      }
      while ((await this.#liveBytes()) > 0) await this.#setAside(this.#partBytes, false);
      await rm(this.live, { force: true });
      await this.#beginAnew();
      return this.#live.start;
    });
  }

  /** Whether there is anything to set aside, or to remove some day. */
  async hasGrown(): Promise<boolean> {
    await this.#load();
    return this.#parts.length > 0 || (await this.#liveBytes()) > this.#partBytes;
  }

  /** Sets aside what has grown large, also under a process that writes, however fast: what comes meanwhile is for the next time. */
  rotate(): Promise<void> {
    return this.#alone(async () => {
      const end = await this.end();
      while (end - this.#live.start > this.#partBytes && (await this.#liveBytes()) > this.#partBytes) {
        await this.#setAside(this.#partBytes, true);
      }
    });
  }

  /** Removes what is too old, and the oldest of what is too much. */
  retire(now: Date): Promise<void> {
    return this.#alone(() => this.#retire(now));
  }

  async #retire(now: Date): Promise<void> {
    let kept = (await this.#liveBytes()) + this.#parts.reduce((sum, { start, end }) => sum + end - start, 0);
    for (const part of this.#parts.slice()) {
      const { mtimeMs } = await stat(part.path);
      const isOld = now.getTime() - mtimeMs > this.#limits.retentionMs;
      if (part.start === part.end || (!isOld && kept <= this.#limits.maxBytes)) continue;
      kept -= part.end - part.start;
      if (part === this.#parts.at(-1)) {
        // Its name is still needed: it says where the live file goes on.
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
    // Somebody emptied or removed it by hand.
    if (size < this.#live.at) await this.#beginAnew();
    return size - this.#live.at;
  }

  /** One change of the files after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
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
    let at = 0;
    this.#parts = [];
    for (const name of names.toSorted()) {
      const path = join(this.#directory, name);
      const match = PART_NAME.exec(name);
      if (!match) {
        // Half copied when a daemon ended; what it should have held is still in the live file.
        if (name.endsWith('.copying')) await rm(path, { force: true });
        continue;
      }
      const end = Number(match[1]);
      this.#parts.push({ path, start: end - (await sizeOf(path)), end });
      at = Number(match[2] ?? 0);
    }
    this.#live = { start: this.#parts.at(-1)?.end ?? 0, at };
    if (at > 0) await this.#finishSettingAside(at);
  }

  /** The daemon may have ended before what was set aside was freed, or before the fresh live file was noted. */
  async #finishSettingAside(at: number): Promise<void> {
    if ((await sizeOf(this.live)) < at) {
      await this.#beginAnew();
      return;
    }
    const { size, blocks } = await stat(this.live);
    if (blocks * 512 > size - at + FREED_SLACK_BYTES) await punchHole(this.live, at);
  }

  /** The live file is a new one: nothing of it was set aside yet. Whoever reads may find that out while it is being noted. */
  #beginAnew(): Promise<void> {
    return this.#noting.run(this.live, () => this.#noteFresh());
  }

  async #noteFresh(): Promise<void> {
    this.#live = { start: this.#live.start, at: 0 };
    const last = this.#parts.at(-1);
    if (!last) return;
    const path = join(this.#directory, partName(last.end));
    if (path === last.path) return;
    await rename(last.path, path);
    last.path = path;
  }

  /** Moves the first lines of the live file, up to `length` bytes, into a part of their own. */
  async #setAside(length: number, free: boolean): Promise<void> {
    const { start, at } = this.#live;
    await makeDirectory(this.#directory);
    const copy = join(this.#directory, `${basename(this.live)}.copying`);
    const copied = await copyLines(this.live, copy, at, Math.min(length, await this.#liveBytes()));
    const end = start + copied;
    const path = join(this.#directory, partName(end, at + copied));
    await rename(copy, path);
    // The former part's name says where the live file went on before this one.
    this.#parts.push({ path, start, end });
    this.#live = { start: end, at: at + copied };
    if (!free) return;
    try {
      await punchHole(this.live, at + copied);
    } catch (error) {
      // On a file system without holes the copy would only take space twice.
      this.#parts.pop();
      this.#live = { start, at };
      await rm(path, { force: true });
      throw error;
    }
  }
}

function partName(end: number, liveAt?: number): string {
  return `${String(end).padStart(16, '0')}${liveAt === undefined ? '' : `-${liveAt}`}.log`;
}
