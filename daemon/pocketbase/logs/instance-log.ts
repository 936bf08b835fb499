import type { LogLine, LogRun } from '../../../shared/events.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { LogLimits } from '../../config/config.ts';
import { LogFiles } from './log-files.ts';
import { LogRuns } from './log-runs.ts';

/** How much of the end of a log is read for a tail. */
const TAIL_BYTES = 256 * 1024;
/** How much is read in one go while following; what comes faster waits in the file. */
const FOLLOW_BYTES = 64 * 1024;
const FOLLOW_POLL_MS = 250;
const MAX_LINE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** The lines that an instance prints: written to a file by the process itself, read here. */
export class InstanceLog {
  readonly path: string;
  readonly #files: LogFiles;
  readonly #clock: Clock;
  readonly #runs: LogRuns;

  constructor(path: string, clock: Clock, limits: LogLimits) {
    this.path = path;
    this.#clock = clock;
    this.#files = new LogFiles(path, limits);
    this.#runs = new LogRuns(path.replace(/\.log$/, '.runs'));
  }

  /**
   * Makes the directory, and a fresh file if the one that is there has grown large. Call while no process writes.
   *
   * @returns the position where the next run's lines begin
   */
  prepare(): Promise<number> {
    return this.#files.prepare();
  }

  /** Notes where the lines of a process begin, also for the next daemon; one that printed nothing gives its place to the next. */
  noteRun(position: number, run: LogRun): Promise<void> {
    return this.#runs.note(position, run);
  }

  /** Whether `tidy` may find something to do: one system call for a log that is small. */
  hasGrown(): Promise<boolean> {
    return this.#files.hasGrown();
  }

  /** Keeps the log within its limits, also under a process that writes. */
  async tidy(): Promise<void> {
    await this.#files.rotate();
    await this.#files.retire(this.#clock.now());
  }

  /** The position of the next byte that will be written. Positions stay what they are over rotations and restarts. */
  end(): Promise<number> {
    return this.#files.end();
  }

  /** The last `count` lines at or after a position, oldest first. */
  async tail(count: number, from = 0): Promise<string[]> {
    const { lines, rest } = await this.tailWithEnd(count, from);
    return (rest === '' ? lines : [...lines, rest]).slice(-count);
  }

  /**
   * The complete lines among them, the position after the last of these, from which `follow` goes on, and what is there.
   * `runs` has those that begin with one of the lines, by its index.
   */
  async tailWithEnd(
    count: number,
    from = 0,
  ): Promise<{ lines: string[]; end: number; rest: string; runs: ReadonlyMap<number, LogRun> }> {
    const size = await this.#files.end();
    // Past the end: the file was emptied by hand, so everything in it is newer.
    const first = from > size ? 0 : from;
    const wanted = Math.max(first, size - TAIL_BYTES);
    const { bytes, start } = await this.#readTo(wanted, size);
    const complete = bytes.lastIndexOf(NEWLINE) + 1;
    const lines = bytes.toString('utf8', 0, complete).split('\n').slice(0, -1);
    // The first piece may be the end of a longer line.
    if (wanted > first && start === wanted) lines.shift();
    const shown = lines.slice(-count);
    return {
      lines: shown,
      end: start + complete,
      rest: bytes.toString('utf8', complete),
      runs: runsAmong(await this.#runs.all(), bytes.subarray(0, complete), start, shown.length),
    };
  }

  /** Hands over every line from a position on until the signal aborts. Asks `ready` before it reads more. */
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
        const { lines, left } = completeLines(Buffer.concat([rest, read.bytes]));
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

  async #readTo(from: number, end: number): Promise<{ bytes: Buffer; start: number }> {
    const pieces: Buffer[] = [];
    let start = from;
    let position = from;
    while (position < end) {
      const read = await this.#files.read(position, end - position);
      if (read.bytes.length === 0) break;
      // What was before is not kept any more.
      if (pieces.length === 0) start = read.position;
      pieces.push(read.bytes);
      position = read.position + read.bytes.length;
    }
    return { bytes: Buffer.concat(pieces), start };
  }
}

/** The runs that begin with one of the last `count` lines of `bytes`, which lie at a position of the log. */
function runsAmong(
  runs: ReadonlyMap<number, LogRun>,
  bytes: Buffer,
  position: number,
  count: number,
): Map<number, LogRun> {
  const found = new Map<number, LogRun>();
  let start = bytes.length;
  for (let index = count - 1; index >= 0 && runs.size > 0; index -= 1) {
    // The byte before is the end of this line, or there is none.
    start = start < 2 ? 0 : bytes.lastIndexOf(NEWLINE, start - 2) + 1;
    const run = runs.get(position + start);
    if (run !== undefined) found.set(index, run);
  }
  return found;
}

/** Decoded line by line, as a piece that was read may end within a character. */
function completeLines(bytes: Buffer<ArrayBuffer>): {
  lines: { text: string; bytes: number }[];
  left: Buffer<ArrayBuffer>;
} {
  const lines: { text: string; bytes: number }[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    lines.push({ text: bytes.toString('utf8', start, end), bytes: end + 1 - start });
    start = end + 1;
  }
  // A line without an end is handed over in pieces, rather than collected for ever.
  if (start === 0 && bytes.length >= MAX_LINE_BYTES) {
    lines.push({ text: bytes.toString('utf8'), bytes: bytes.length });
    start = bytes.length;
  }
  return { lines, left: bytes.subarray(start) };
}
