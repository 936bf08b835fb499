import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePortRange } from '../../../../test/helpers/free-ports.ts';
import { keeperOf } from '../../../../test/helpers/leaks.ts';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { statusOf } from '../../../../test/helpers/status-prober.ts';
import { until } from '../../../../test/helpers/until.ts';
import { isAlive, processStat } from '../procfs.ts';
import { LastingKeeper } from './keeper-link.ts';
import type { KeeperReport, KeeperRequest } from './keeper-protocol.ts';

interface Connected {
  link: LastingKeeper;
  ask: (request: KeeperRequest) => Promise<KeeperReport>;
}

async function place() {
  const directory = await scratch();
  return {
    directory,
    socketPath: join(directory, 'keeper.sock'),
    logFile: join(directory, 'keeper.log'),
    fleetId: directory,
  };
}

function connectTo(at: Awaited<ReturnType<typeof place>>, identity: string): Connected {
  const link = new LastingKeeper(at, identity);
  onTestFinished(() => link.kill());
  return {
    link,
    ask: (request) =>
      new Promise((resolve, reject) => {
        link.on('report', (report) => {
          if (report.id === request.id) resolve(report);
        });
        link.once('closed', reject);
        link.send(request);
      }),
  };
}

const sleeper = (directory: string): KeeperRequest => ({
  id: 2,
  kind: 'spawn',
  file: '/bin/sleep',
  args: ['600'],
  env: {},
  logFile: join(directory, 'log'),
  lockFile: join(directory, 'lock'),
  nice: 0,
  cgroup: null,
  sandbox: {
    setting: 'off',
    fleetDirectories: [],
    dataDir: join(directory, 'data'),
    temporaryDir: join(directory, 'tmp'),
    readable: [],
    port: null,
  },
});

it('outlives its daemon, and becomes the program of the next one with its sockets and processes', async () => {
  const at = await place();
  const port = await freePortRange(1);
  const first = connectTo(at, 'one');
  expect(await first.ask({ id: 1, kind: 'hold', address: '127.0.0.1', port })).toMatchObject({
    result: 'held',
  });
  const started = await first.ask(sleeper(at.directory));
  if (started.kind !== 'spawned') throw new Error('not started');
  first.link.close();
  // Waits in the socket until a program answers it.
  const answer = statusOf(port);

  const second = connectTo(at, 'two');
  expect(await second.ask({ id: 3, kind: 'ping' })).toMatchObject({ kind: 'pong' });
  const { pid, startTime } = started;
  expect(second.link.children).toEqual([{ pid, startTime }]);
  second.link.send({
    id: 0,
    kind: 'explain',
    port,
    problem: { code: 'odd', message: 'odd', retryAfterS: null },
    when: 'now',
  });
  expect(await answer).toBe(503);
  const exit = new Promise((resolve) => {
    second.link.on('report', (report) => {
      if (report.kind === 'exited') resolve(report);
    });
  });
  process.kill(pid, 'SIGTERM');
  expect(await exit).toEqual({ id: 0, kind: 'exited', pid, exit: { code: null, signal: 'SIGTERM' } });
});

it('ends with its daemon when it has no processes', async () => {
  const at = await place();
  const { link, ask } = connectTo(at, 'one');
  const started = await ask(sleeper(at.directory));
  if (started.kind !== 'spawned') throw new Error('not started');
  const keeper = await keeperOf(at.fleetId);
  const startTime = Number(processStat(keeper)?.startTime);
  process.kill(started.pid, 'SIGKILL');
  await new Promise((resolve) => {
    link.on('report', (report) => {
      if (report.kind === 'exited') resolve(report);
    });
  });
  link.close();
  await until(() => !isAlive(keeper, startTime), { what: 'the keeper to end' });
});
