import { closeSync, constants, fstatSync, openSync, type Stats, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { makeDirectorySync } from '../files/dir.ts';

/** How long a reader that does not read is waited for, once; then lines are dropped until it reads again. */
const READER_WAIT_MS = 100;
const READER_POLL_MS = 5;
/** How often it is checked that the open file is still the one with that name. */
const LOOK_EVERY_MS = 1_000;
/** How often a file that could not be opened is tried again. */
const REOPEN_EVERY_MS = 1_000;
const NEWLINE = Buffer.from('\n');

export interface Losses {
  /** Lines that could not be written since the program started. */
  dropped: number;
  /** Why nothing can be written now; null while it works. */
  problem: string | null;
}

/** Writes lines of text. Never throws and never waits for long: what cannot be written is dropped and counted. */
export interface LineSink {
  write(line: string): void;
  readonly losses: Losses;
}

/** What a sink does to the system. */
export interface SinkTarget {
  /** For messages: `standard output`, or a path. */
  readonly name: string;
  /** @throws the error of open(2) */
  open(): number;
  /** Whether the open descriptor is still what the name means. */
  isCurrent(fd: number): boolean;
}

/**
 * A sink that reports its losses in itself once it works again.
 *
 * @param notice the line that reports them
 * @param monotonicMs milliseconds of a clock that never goes back
 */
export function lineSink(
  target: SinkTarget,
  notice: (dropped: number, problem: string) => string,
  monotonicMs: () => number = () => performance.now(),
): LineSink {
  let fd: number | null = null;
  let lookAtMs = 0;
  let reopenAtMs = 0;
  /** A line was cut, so the next one needs a beginning of its own. */
  let torn = false;
  let unreported = 0;
  let dropped = 0;
  let problem: string | null = null;

  const close = (): void => {
    if (fd !== null && fd > 2) closeSync(fd);
    fd = null;
  };
  const descriptor = (): number => {
    const now = monotonicMs();
    if (fd !== null && now >= lookAtMs) {
      lookAtMs = now + LOOK_EVERY_MS;
      if (!target.isCurrent(fd)) close();
    }
    if (fd === null) {
      if (now < reopenAtMs) throw new Error(problem ?? 'is not open');
      reopenAtMs = now + REOPEN_EVERY_MS;
      fd = target.open();
      torn = false;
    }
    return fd;
  };
  const writeWhole = (text: string): void => {
    const to = descriptor();
    const line = Buffer.from(text);
    const bytes = torn ? Buffer.concat([NEWLINE, line]) : line;
    let written = 0;
    try {
      const patienceMs = problem === null ? READER_WAIT_MS : 0;
      const deadlineMs = monotonicMs() + patienceMs;
      while (written < bytes.length) {
        const count = tryWrite(to, bytes, written);
        if (count !== null) written += count;
        else if (monotonicMs() >= deadlineMs) throw new Error('nothing reads it');
        else pause(READER_POLL_MS);
      }
      torn = false;
    } catch (error) {
      torn ||= written > 0;
      throw error;
    }
  };

  return {
    write(line) {
      try {
        // Together, or a notice that fits where the line does not would be repeated.
        writeWhole(unreported === 0 ? line : notice(unreported, problem ?? '') + line);
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

/** How many bytes were written; null while a reader does not take any. @throws the error of write(2) */
function tryWrite(fd: number, bytes: Buffer, offset: number): number | null {
  try {
    return writeSync(fd, bytes, offset);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null;
    throw error;
  }
}

/** Standard output (1) or error (2) as this process was given it. */
export function standardStream(fd: 1 | 2): SinkTarget {
  return {
    name: fd === 1 ? 'standard output' : 'standard error',
    open: () => openWithoutWaiting(fd, fstatSync(fd)),
    isCurrent: () => true,
  };
}

/**
 * A pipe that is not read, and a terminal that is held, would stop the whole program at a write: they are opened once more,
 * so that a write that would wait fails instead. Others share the descriptor itself, which is left as it is. A file would be
 * written from its beginning, and a socket cannot be opened.
 */
function openWithoutWaiting(fd: number, stats: Stats): number {
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return fd;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // Another user's terminal, or a pipe that nobody reads any more: writing says so.
    return fd;
  }
}

/** A file that is appended to, and made again when it was removed or replaced. */
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
      const there = statSync(path, { throwIfNoEntry: false });
      const open = fstatSync(fd);
      return there?.ino === open.ino && there.dev === open.dev;
    },
  };
}

const waiting = new Int32Array(new SharedArrayBuffer(4));

function pause(ms: number): void {
  Atomics.wait(waiting, 0, 0, ms);
}
