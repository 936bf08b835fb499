import { closeSync, constants, fstatSync, openSync, type Stats, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { makeDirectorySync } from '../files/dir.ts';

/** The wait for a reader that does not read, once. After it, lines are dropped until the reader reads again. */
const READER_WAIT_MS = 100;
const READER_POLL_MS = 5;
/** How often to check that the open file is still the one with that name. */
const CHECK_FILE_EVERY_MS = 1_000;
/** How often to retry a file that could not be opened. */
const REOPEN_EVERY_MS = 1_000;
const NEWLINE = Buffer.from('\n');

export interface Losses {
  /** Lines that could not be written since the program started. */
  dropped: number;
  /** Why no line can be written now; null while writes succeed. */
  problem: string | null;
}

/** Writes lines of text. Never throws and never blocks for long: lines that cannot be written are dropped and counted. */
export interface LineSink {
  write(line: string): void;
  readonly losses: Losses;
}

/** Where a sink writes. */
export interface SinkTarget {
  /** For messages: `standard output`, or a path. */
  readonly name: string;
  /** @throws the error of open(2) */
  open(): number;
  /** Whether the open descriptor still belongs to the name. */
  isCurrent(fd: number): boolean;
}

/**
 * A sink that writes a notice about dropped lines once it works again.
 *
 * @param notice the line that reports the dropped lines
 * @param monotonicMs milliseconds of a clock that never goes back
 */
export function lineSink(
  target: SinkTarget,
  notice: (dropped: number, problem: string) => string,
  monotonicMs: () => number = () => performance.now(),
): LineSink {
  let fd: number | null = null;
  let checkFileAtMs = 0;
  let reopenAtMs = 0;
  /** The last line was cut, so the next write starts with a newline. */
  let isCut = false;
  let unreported = 0;
  let dropped = 0;
  let problem: string | null = null;

  const close = (): void => {
    if (fd !== null && fd > 2) closeSync(fd);
    fd = null;
  };
  const descriptor = (): number => {
    const now = monotonicMs();
    if (fd !== null && now >= checkFileAtMs) {
      checkFileAtMs = now + CHECK_FILE_EVERY_MS;
      if (!target.isCurrent(fd)) close();
    }
    if (fd === null) {
      if (now < reopenAtMs) throw new Error(problem ?? 'is not open');
      reopenAtMs = now + REOPEN_EVERY_MS;
      fd = target.open();
      isCut = false;
    }
    return fd;
  };
  const writeAll = (text: string): void => {
    const to = descriptor();
    const line = Buffer.from(text);
    const bytes = isCut ? Buffer.concat([NEWLINE, line]) : line;
    let written = 0;
    try {
      const waitMs = problem === null ? READER_WAIT_MS : 0;
      const deadlineMs = monotonicMs() + waitMs;
      while (written < bytes.length) {
        const count = tryWrite(to, bytes, written);
        if (count !== null) written += count;
        else if (monotonicMs() >= deadlineMs) throw new Error('the reader does not read');
        else pause(READER_POLL_MS);
      }
      isCut = false;
    } catch (error) {
      isCut ||= written > 0;
      throw error;
    }
  };

  return {
    write(line) {
      try {
        // In one write: if the notice fitted alone, it would be written again with the next line.
        writeAll(unreported === 0 ? line : notice(unreported, problem ?? '') + line);
        unreported = 0;
        problem = null;
      } catch (error) {
        problem = messageOf(error);
        dropped += 1;
        unreported += 1;
      }
    },
    get losses() {
      return { dropped, problem };
    },
  };
}

/** Returns the number of bytes written; null while the reader accepts none. @throws the error of write(2) */
function tryWrite(fd: number, bytes: Buffer, offset: number): number | null {
  try {
    return writeSync(fd, bytes, offset);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null;
    throw error;
  }
}

/** Standard output (1) or standard error (2) of this process. */
export function standardStream(fd: 1 | 2): SinkTarget {
  return {
    name: fd === 1 ? 'standard output' : 'standard error',
    open: () => openWithoutWaiting(fd, fstatSync(fd)),
    isCurrent: () => true,
  };
}

/**
 * A write to a pipe without a reader, or to a paused terminal, would block the whole program. So both are opened again as
 * non-blocking: such a write then fails. The inherited descriptor stays unchanged because other processes share it. Files
 * and sockets keep it: a file would be written from its start, and a socket cannot be opened.
 */
function openWithoutWaiting(fd: number, stats: Stats): number {
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return fd;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // Another user's terminal, or a pipe without a reader: the write reports the error.
    return fd;
  }
}

/** A file to append to. It is created again after it was removed or replaced. */
export function logFile(path: string): SinkTarget {
  return {
    name: path,
    open: () => {
      try {
        return openSync(path, 'a', 0o600);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        makeDirectorySync(dirname(path));
        return openSync(path, 'a', 0o600);
      }
    },
    isCurrent: (fd) => {
      const named = statSync(path, { throwIfNoEntry: false });
      const open = fstatSync(fd);
      return named?.ino === open.ino && named.dev === open.dev;
    },
  };
}

const neverNotified = new Int32Array(new SharedArrayBuffer(4));

function pause(ms: number): void {
  Atomics.wait(neverNotified, 0, 0, ms);
}
