import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { until } from '../../../../test/helpers/until.ts';
import { bootTime } from '../../../base/time/boot-time.ts';
import { LOCKED_EXIT_CODE } from '../command.ts';
import { isAlive } from '../procfs.ts';
import { KeeperClient } from './keeper-client.ts';

const requestIn = (directory: string) => ({
  file: '/bin/true',
  args: [] as string[],
  env: {},
  logFile: join(directory, 'log'),
  lockFile: join(directory, 'lock'),
  nice: 0,
  cgroup: null,
  sandbox: {
    setting: 'auto' as const,
    fleetDirectories: [],
    dataDir: join(directory, 'data'),
    temporaryDir: join(directory, 'tmp'),
    readable: [],
    port: null,
  },
});

it('waits longer for the first response of a keeper that is starting', async () => {
  const client = new KeeperClient(null, { responseTimeoutMs: 1 });
  onTestFinished(() => client.close());
  expect((await client.spawn(requestIn(await scratch()))).pid).toBeGreaterThan(0);
});

const placeIn = (directory: string) => ({
  socketPath: join(directory, 'socket'),
  logFile: join(directory, 'keeper.log'),
  fleetId: directory,
});

it('does not wait for the exit of a process of an earlier daemon that has ended', async () => {
  const directory = await scratch();
  const earlier = new KeeperClient(placeIn(directory));
  const sleep = { ...requestIn(directory), file: '/bin/sleep', args: ['600'] };
  const child = await earlier.spawn(sleep);
  earlier.close();
  const client = new KeeperClient(placeIn(directory));
  onTestFinished(() => client.close());
  await client.support();
  const exited = client.exitOf(child);
  process.kill(child.pid, 'SIGKILL');
  expect(await exited).toEqual({ code: null, signal: 'SIGKILL' });
  expect(client.exitOf(child)).toBeNull();
});

it('reports the exit of a process that ends at once', async () => {
  const directory = await scratch();
  const place = placeIn(directory);
  const client = new KeeperClient(place);
  onTestFinished(() => client.close());
  const sleep = { ...requestIn(directory), file: '/bin/sleep', args: ['600'] };
  const [holder, ...others] = await Promise.all(Array.from({ length: 5 }, () => client.spawn(sleep)));
  expect(await Promise.all(others.map(({ exited }) => exited))).toEqual(
    others.map(() => ({ code: LOCKED_EXIT_CODE, signal: null })),
  );
  process.kill(holder?.pid ?? 0, 'SIGKILL');
  expect(await holder?.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

it('leaves the keeper to the next client in the same process', async () => {
  const directory = await scratch();
  const timeouts = { responseTimeoutMs: 200, pingEveryMs: 10 };
  const earlier = new KeeperClient(placeIn(directory), timeouts);
  const sleep = { ...requestIn(directory), file: '/bin/sleep', args: ['600'] };
  const child = await earlier.spawn(sleep);
  const { pid } = earlier;
  earlier.close();
  const client = new KeeperClient(placeIn(directory));
  onTestFinished(() => client.close());
  await client.support();
  // Longer than the earlier one waits for the response to a ping.
  const at = performance.now() + 5 * timeouts.responseTimeoutMs;
  await until(() => performance.now() > at, { what: 'a moment' });
  await client.support();
  expect(client.pid).toBe(pid);
  process.kill(child.pid, 'SIGKILL');
});

it('gives the next lease to the keeper of an earlier daemon without another request', async () => {
  const directory = await scratch();
  const leaseMs = 1_500;
  const earlier = new KeeperClient(placeIn(directory), { needsLease: true });
  const sleep = { ...requestIn(directory), file: '/bin/sleep', args: ['600'] };
  await earlier.support();
  earlier.setLease(bootTime() + 60_000);
  const child = await earlier.spawn(sleep);
  earlier.setLease(bootTime() + leaseMs);
  await earlier.support();
  earlier.close();
  const client = new KeeperClient(placeIn(directory), { needsLease: true });
  onTestFinished(() => client.close());
  client.setLease(bootTime() + 60_000);
  const at = performance.now() + 2 * leaseMs;
  await until(() => performance.now() > at, { what: 'the end of the first lease' });
  expect(isAlive(child.pid, child.startTime)).toBe(true);
  process.kill(child.pid, 'SIGKILL');
});
