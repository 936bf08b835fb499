import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../../test/helpers/until.ts';
import { endIdleProcess } from './idle-process.ts';
import { openSockets, threadState } from './procfs.ts';

const LISTEN = "require('node:net').createServer().listen(0, '127.0.0.1')";

async function listeningProcess(): Promise<ChildProcess & { pid: number }> {
  const child = spawn(process.execPath, ['-e', LISTEN], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const { pid = 0 } = child;
  await until(() => openSockets(pid) === 1, { what: 'the process to listen' });
  return Object.assign(child, { pid });
}

it('ends a process without a client', async () => {
  const child = await listeningProcess();
  const exit = once(child, 'exit');
  expect(await endIdleProcess(child.pid, () => false)).toBe('ended');
  expect(await exit).toEqual([null, 'SIGKILL']);
});

it.each([
  { what: 'a connection waits', hasWaiting: () => true },
  {
    what: 'the look fails',
    hasWaiting: () => {
      throw new Error('poll EINTR');
    },
  },
])('lets a process continue when $what', async ({ hasWaiting }) => {
  const { pid } = await listeningProcess();
  await endIdleProcess(pid, hasWaiting).catch(() => {});
  await until(() => threadState(pid, String(pid)) !== 'T', { what: 'the process to continue' });
});
