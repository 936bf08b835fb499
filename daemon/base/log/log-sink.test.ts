import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { lineSink, logFile, type SinkTarget } from './log-sink.ts';

const notice = (dropped: number) => `${dropped} lost\n`;

/** A target whose path a test can change. */
function movable(path: string): SinkTarget & { path: string } {
  const target = {
    name: 'a file',
    path,
    open: () => openSync(target.path, 'a'),
    isCurrent: () => target.path === path,
  };
  return target;
}

function atMs() {
  let now = 0;
  return { now: () => now, later: (ms: number) => void (now += ms) };
}

it('drops and counts lines while the disk is full, and reports them once there is space', async () => {
  const file = join(await scratch(), 'log');
  const time = atMs();
  const target = movable('/dev/full');
  const sink = lineSink(target, notice, time.now);
  for (const line of ['one', 'two', 'three']) sink.write(`${line}\n`);
  expect(sink.losses).toEqual({ dropped: 3, problem: expect.stringContaining('ENOSPC') });

  target.path = file;
  time.later(2_000);
  sink.write('four\n');
  sink.write('five\n');
  expect(sink.losses).toEqual({ dropped: 3, problem: null });
  expect(readFileSync(file, 'utf8')).toBe('3 lost\nfour\nfive\n');
});

it('creates the file again after it was removed with its directory, or replaced', async () => {
  const directory = join(await scratch(), 'logs');
  const path = join(directory, 'fathomd.log');
  const time = atMs();
  const sink = lineSink(logFile(path), notice, time.now);
  sink.write('one\n');
  rmSync(directory, { recursive: true });
  time.later(2_000);
  sink.write('two\n');
  expect(readFileSync(path, 'utf8')).toBe('two\n');
  rmSync(path);
  writeFileSync(path, '');
  time.later(2_000);
  sink.write('three\n');
  expect(readFileSync(path, 'utf8')).toBe('three\n');
  expect(sink.losses).toEqual({ dropped: 0, problem: null });
});

it('continues when the directory cannot be created, and retries after a second', async () => {
  const blocker = join(await scratch(), 'file');
  writeFileSync(blocker, '');
  const path = join(blocker, 'fathomd.log');
  const time = atMs();
  const sink = lineSink(logFile(path), notice, time.now);
  sink.write('one\n');
  expect(sink.losses).toEqual({ dropped: 1, problem: expect.stringContaining('ENOTDIR') });
  rmSync(blocker);
  mkdirSync(blocker);
  // Before the next retry is due.
  sink.write('two\n');
  time.later(2_000);
  sink.write('three\n');
  expect(readFileSync(path, 'utf8')).toBe('2 lost\nthree\n');
});

it('does not block on a pipe without a reader, and continues once it is read', async () => {
  const path = join(await scratch(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(reader));
  const target = { ...movable(path), open: () => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) };
  const sink = lineSink(target, notice);
  const line = `${'x'.repeat(999)}\n`;
  for (let count = 0; count < 200; count += 1) sink.write(line);
  const { dropped, problem } = sink.losses;
  expect(problem).not.toBeNull();
  // 64 KiB fit into a pipe.
  expect(dropped).toBeGreaterThan(100);
  const buffer = Buffer.alloc(1024 * 1024);
  readSync(reader, buffer);
  sink.write('after\n');
  expect(sink.losses).toEqual({ dropped, problem: null });
  const rest = buffer.toString('utf8', 0, readSync(reader, buffer));
  expect(
    rest
      .split('\n')
      .filter((text) => text !== '')
      .slice(-2),
  ).toEqual([`${dropped} lost`, 'after']);
});

it('a program exits although its output is not read, or its reader is gone', async () => {
  const program = `
    import { lineSink, standardStream } from ${JSON.stringify(join(import.meta.dirname, 'log-sink.ts'))};
    const sink = lineSink(standardStream(1), () => 'lost');
    for (let count = 0; count < 1000; count += 1) sink.write('x'.repeat(999) + '\\n');
    process.exit(sink.losses.dropped > 0 ? 7 : 0);`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const path = join(await scratch(), 'pipe');
  execFileSync('mkfifo', [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(pipe));
  // A named pipe, because the test runner hands over a socket.
  const unread = spawn('sh', ['-c', `exec "$@" > '${path}'`, 'sh', process.execPath, ...args]);
  const closed = spawn('sh', ['-c', '"$@" | exec true', 'sh', process.execPath, ...args]);
  const codes = await Promise.all([unread, closed].map(async (child) => (await once(child, 'exit'))[0]));
  // The exit code of a pipeline is that of its last command.
  expect(codes).toEqual([7, 0]);
});

it('returns where Node itself retries without end: a directory that cannot be created', () => {
  const sink = lineSink(logFile('/proc/no-such-directory/deeper/fathomd.log'), notice, atMs().now);
  sink.write('a line\n');
  expect(sink.losses).toMatchObject({ dropped: 1, problem: expect.stringContaining('ENOENT') });
});
