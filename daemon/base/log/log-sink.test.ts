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

/** Opens the path that it is told of now. */
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

it('drops what a full disk does not take, counts it, and says so once there is space', async () => {
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

it('makes a file again that was removed with its directory, or replaced', async () => {
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

it('goes on when its directory cannot be made, and tries again now and then', async () => {
  const blocker = join(await scratch(), 'file');
  writeFileSync(blocker, '');
  const path = join(blocker, 'fathomd.log');
  const time = atMs();
  const sink = lineSink(logFile(path), notice, time.now);
  sink.write('one\n');
  expect(sink.losses).toEqual({ dropped: 1, problem: expect.stringContaining('ENOTDIR') });
  rmSync(blocker);
  mkdirSync(blocker);
  // Not at once.
  sink.write('two\n');
  time.later(2_000);
  sink.write('three\n');
  expect(readFileSync(path, 'utf8')).toBe('2 lost\nthree\n');
});

it('does not wait for a pipe that is not read, and goes on when it is', async () => {
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

it('a program whose output nobody reads, or whose reader is gone, comes to its end', async () => {
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
  // A pipe of its own: what the test runner gives is a socket.
  const unread = spawn('sh', ['-c', `exec "$@" > '${path}'`, 'sh', process.execPath, ...args]);
  const closed = spawn('sh', ['-c', '"$@" | exec true', 'sh', process.execPath, ...args]);
  const codes = await Promise.all([unread, closed].map(async (one) => (await once(one, 'exit'))[0]));
  // That of a pipeline is its last one's.
  expect(codes).toEqual([7, 0]);
});

it('gives up on a directory that cannot be made, where Node itself tries for ever', () => {
  const sink = lineSink(logFile('/proc/no-such-directory/deeper/fathomd.log'), notice, atMs().now);
  sink.write('a line\n');
  expect(sink.losses).toMatchObject({ dropped: 1, problem: expect.stringContaining('ENOENT') });
});
