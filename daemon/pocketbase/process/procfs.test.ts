import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { until } from '../../../test/helpers/until.ts';
import {
  connectionsByLocalPort,
  findByEnvironment,
  isAlive,
  isThatProcess,
  pollsSocket,
  processStat,
  pssBytes,
} from './procfs.ts';

/** A process that sleeps until the end of the test. */
async function sleeper(path = '/bin/sleep', env: Record<string, string> = {}): Promise<number> {
  const child = spawn(path, ['600'], { env, stdio: 'ignore' });
  await once(child, 'spawn');
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child.pid as number;
}

/** @returns a port of 127.0.0.1 on which this process listens until the end of the test */
async function listening(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

it('reads its own process', async () => {
  const stat = processStat(process.pid);
  expect(stat).toMatchObject({ zombie: false });
  expect(stat?.startTime).toBeGreaterThan(0);
  expect(stat?.cpuSeconds).toBeGreaterThan(0);
  expect(await pssBytes(process.pid)).toBeGreaterThan(1024 * 1024);
});

it('returns null for a process that has ended', async () => {
  const child = spawn('/bin/true');
  await once(child, 'exit');
  const pid = child.pid as number;
  expect([processStat(pid), await pssBytes(pid), await pollsSocket(pid)]).toEqual([null, null, null]);
});

it('reads a process whose name has spaces and parentheses', async () => {
  const path = join(await scratch(), ') S (a) 1 2');
  await copyFile('/bin/sleep', path);
  const pid = await sleeper(path);
  const own = processStat(process.pid);
  const stat = processStat(pid);
  expect(stat?.zombie).toBe(false);
  expect(stat?.startTime).toBeGreaterThanOrEqual(own?.startTime ?? Number.POSITIVE_INFINITY);
});

it('identifies a process by its pid and start time', async () => {
  const { startTime } = processStat(process.pid) ?? { startTime: 0 };
  expect([isAlive(process.pid, startTime), isThatProcess(process.pid, startTime)]).toEqual([true, true]);
  expect([isAlive(process.pid, startTime + 1), isThatProcess(process.pid, startTime + 1)]).toEqual([
    false,
    false,
  ]);
});

it('a zombie is not alive', async () => {
  // The program that replaces the shell does not know of its child, and never waits for it.
  const shell = spawn('/bin/sh', ['-c', '/bin/sleep 600 & echo $!; exec /bin/sleep 601'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => {
    shell.kill('SIGKILL');
  });
  const [output] = (await once(shell.stdout, 'data')) as [Buffer];
  const pid = Number(output.toString());
  const cmdline = `/proc/${shell.pid}/cmdline`;
  // Before that, the shell itself could still wait for its child.
  await until(async () => (await readFile(cmdline, 'utf8')).startsWith('/bin/sleep'), {
    what: 'the shell to be replaced',
  });
  process.kill(pid, 'SIGKILL');
  const stat = await until(
    async () => {
      const found = processStat(pid);
      return found?.zombie === true ? found : null;
    },
    { what: 'a zombie' },
  );
  expect(isAlive(pid, stat.startTime)).toBe(false);
});

it('finds processes by a variable of their environment, with their arguments and executable', async () => {
  const mark = `mark-${process.pid}-${Date.now()}`;
  const pid = await sleeper('/bin/sleep', { UNIT_MARK: mark, OTHER: 'a=b' });
  await sleeper('/bin/sleep', { UNIT_MARK: `${mark}-not` });
  const found = await until(
    async () => {
      const all = await findByEnvironment('UNIT_MARK', mark);
      return all.length > 0 ? all : null;
    },
    { what: 'the process' },
  );
  expect(
    found.map(({ pid: id, argv, environment }) => [id, argv.slice(1), environment.get('OTHER')]),
  ).toEqual([[pid, ['600'], 'a=b']]);
  expect(found[0]?.executable).toMatch(/\/(sleep|coreutils|busybox)$/);
});

it('counts connections by local port', async () => {
  const port = await listening();
  expect((await connectionsByLocalPort()).get(port)).toBeUndefined();
  const sockets = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await until(async () => (await connectionsByLocalPort()).get(port) === 2, { what: 'two connections' });
  for (const socket of sockets) socket.destroy();
});

it('detects a process that polls a socket, and not one that only has one open', async () => {
  await listening();
  expect(await pollsSocket(process.pid)).toBe(true);
  expect(await pollsSocket(await sleeper())).toBe(false);
  // Its input is a socket that it does not poll.
  const child = spawn('/bin/sleep', ['600'], { stdio: ['pipe', 'ignore', 'ignore'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  expect(await readlink(`/proc/${child.pid}/fd/0`)).toMatch(/^socket:/);
  expect(await pollsSocket(child.pid as number)).toBe(false);
});
