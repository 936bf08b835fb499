import type { LogLine, LogRun } from '../../../shared/events.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { LogLimits } from '../../config/config.ts';
import { LogFiles } from './log-files.ts';
import { LogRuns } from './log-runs.ts';

/** Maximum number of bytes that are read for a tail. */
const TAIL_BYTES = 256 * 1024;
/** Maximum number of bytes per read while following. */
const FOLLOW_BYTES = 64 * 1024;
const FOLLOW_POLL_MS = 250;
const MAX_LINE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Reads the log file of an instance. The instance itself writes it. Only the path of most logs is used: their databases sleep.
 */
export class InstanceLog {
  readonly path: string;
  readonly #clock: Clock;
  readonly #limits: LogLimits;
  #knownFiles: LogFiles | null = null;
  #knownRuns: LogRuns | null = null;

  constructor(path: string, clock: Clock, limits: LogLimits) {
    this.path = path;
    this.#clock = clock;
    this.#limits = limits;
  }

  get #files(): LogFiles {
    this.#knownFiles ??= new LogFiles(this.path, this.#limits);
    return this.#knownFiles;
  }

  get #runs(): LogRuns {
    this.#knownRuns ??= new LogRuns(this.path.replace(/\.log$/, '.runs'));
    return this.#knownRuns;
  }

  /**
   * Creates the directory, and a new file if the current one is large. Call it while no process writes.
   *
   * @returns the position at which the lines of the next run begin
   */
  prepare(): Promise<number> {
    return this.#files.prepare();
  }

  /** Stores the position at which the lines of a run begin, also for the next daemon. */
  recordRun(position: number, run: LogRun): Promise<void> {
    return this.#runs.add(position, run);
  }

  /** Whether `tidy` may have work to do. Takes one system call for a small log. */
  hasGrown(): Promise<boolean> {
    return this.#files.hasGrown();
  }

  /** Keeps the log within its limits, also while a process writes. */
  async tidy(): Promise<void> {
    await this.#files.rotate();
    await this.#files.removeExpired(this.#clock.now());
  }

  /** The position of the next byte that will be written. Positions do not change with rotations and restarts. */
  end(): Promise<number> {
    return this.#files.end();
  }

  /** The last `count` lines at or after a position, oldest first. */
  async tail(count: number, from = 0): Promise<string[]> {
    const { lines, rest } = await this.tailWithEnd(count, from);
    return (rest === '' ? lines : [...lines, rest]).slice(-count);
  }

  /**
   * The last `count` complete lines at or after a position, oldest first.
   *
   * @returns `end`: the position after them, where `follow` continues; `rest`: the incomplete line at the end; `runs`: the
   *   runs that begin with one of the lines, by its index
   */
  async tailWithEnd(
    count: number,
    from = 0,
  ): Promise<{ lines: string[]; end: number; rest: string; runs: ReadonlyMap<number, LogRun> }> {
    const size = await this.#files.end();
    // A position past the end: the file was emptied by hand, so all of it is newer.
    const first = from > size ? 0 : from;
    const readFrom = Math.max(first, size - TAIL_BYTES);
    const { bytes, start } = await this.#readRange(readFrom, size);
    const complete = bytes.lastIndexOf(NEWLINE) + 1;
    const lines = bytes.toString('utf8', 0, complete).split('\n').slice(0, -1);
    // The first line may be incomplete.
    if (readFrom > first && start === readFrom) lines.shift();
    const tail = lines.slice(-count);
    return {
      lines: tail,
      end: start + complete,
      rest: bytes.toString('utf8', complete),
      runs: runsOfLines(await this.#runs.all(), bytes.subarray(0, complete), start, tail.length),
    };
  }

  /** Calls `onLine` for every line from a position on, until the signal aborts. Waits for `ready` before each read. */
  async follow(
    from: number,
    onLine: (line: LogLine) => void,
    signal: AbortSignal,
    ready: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    let position = from;
    let rest = Buffer.alloc(0);
    while (!signal.aborted) {
      const end = await this.#files.end();
      if (end < position) {
        // The file was emptied by hand.
        position = this.#files.liveStart;
        rest = Buffer.alloc(0);
      }
      while (position < end && !signal.aborted) {
        await ready();
        if (signal.aborted) return;
        const read = await this.#files.read(position, FOLLOW_BYTES);
        if (read.bytes.length === 0) break;
        position = read.position + read.bytes.length;
        const { lines, left } = splitLines(Buffer.concat([rest, read.bytes]));
        rest = left;
        let after = position - left.length - lines.reduce((sum, { bytes }) => sum + bytes, 0);
        const at = this.#clock.now().toISOString();
        for (const { text, bytes } of lines) {
          after += bytes;
          onLine({ at, text, position: after });
        }
      }
      await this.#clock.sleep(FOLLOW_POLL_MS, signal);
    }
  }

  async #readRange(from: number, end: number): Promise<{ bytes: Buffer; start: number }> {
    const chunks: Buffer[] = [];
    let start = from;
    let position = from;
    while (position < end) {
      const read = await this.#files.read(position, end - position);
      if (read.bytes.length === 0) break;
      // Earlier bytes have been removed.
      if (chunks.length === 0) start = read.position;
      chunks.push(read.bytes);
      position = read.position + read.bytes.length;
    }
    return { bytes: Buffer.concat(chunks), start };
  }
}

/**
 * The runs that begin with one of the last `count` lines of `bytes`, by the index of the line.
 *
 * @param position of `bytes` in the log
 */
function runsOfLines(
  runs: ReadonlyMap<number, LogRun>,
  bytes: Buffer,
  position: number,
  count: number,
): Map<number, LogRun> {
  const found = new Map<number, LogRun>();
  let start = bytes.length;
  for (let index = count - 1; index >= 0 && runs.size > 0; index -= 1) {
    // Start - 1 is the newline of the line before, so the search begins at start - 2.
    start = start < 2 ? 0 : bytes.lastIndexOf(NEWLINE, start - 2) + 1;
    const run = runs.get(position + start);
    if (run !== undefined) found.set(index, run);
  }
  return found;
}

/** Splits bytes into complete lines. Decodes each line as a whole, because a read may end within a character. */
function splitLines(bytes: Buffer<ArrayBuffer>): {
  lines: { text: string; bytes: number }[];
  left: Buffer<ArrayBuffer>;
} {
  const lines: { text: string; bytes: number }[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    lines.push({ text: bytes.toString('utf8', start, end), bytes: end + 1 - start });
    start = end + 1;
  }
  // A line that is too long is passed on in parts, so that memory stays bounded.
  if (start === 0 && bytes.length >= MAX_LINE_BYTES) {
    lines.push({ text: bytes.toString('utf8'), bytes: bytes.length });
    start = bytes.length;
  }
  return { lines, left: bytes.subarray(start) };
}
