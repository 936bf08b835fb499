import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePortRange } from '../../../../test/helpers/free-ports.ts';
import { keeperOf } from '../../../../test/helpers/leaks.ts';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { statusOf } from '../../../../test/helpers/status-prober.ts';
import { until } from '../../../../test/helpers/until.ts';
import { findByEnvironment, isAlive, processStat } from '../procfs.ts';
import { LastingKeeper } from './keeper-link.ts';
import type { KeeperReport, KeeperRequest, SpawnCommand } from './keeper-protocol.ts';
import { packCommands } from './sleep-commands.ts';

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

/** The first bytes of a database. */
const DATABASE = 'SQLite format 3\0';

async function writeData(directory: string, content: string): Promise<void> {
  await mkdir(join(directory, 'data'));
  await writeFile(join(directory, 'data', 'data.db'), content);
}

const command = (directory: string, port: number | null = null): SpawnCommand => ({
  file: '/bin/sleep',
  args: ['600'],
  env: { SLEEPER: directory },
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
    port,
  },
});

/** The process that the keeper starts for a database, when it runs. */
const startedIn = (directory: string) =>
  until(
    async () =>
      (await findByEnvironment('SLEEPER', directory)).find(({ argv }) => argv[0] === '/bin/sleep')?.pid,
    { what: 'the process' },
  );

const sleeper = (directory: string): KeeperRequest => ({ id: 2, kind: 'spawn', ...command(directory) });

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

/** Lets a database sleep, and resolves when the keeper has done it. */
async function letSleep(
  { ask }: Connected,
  directory: string,
  port: number,
  changes: Partial<SpawnCommand> = {},
): Promise<void> {
  const request = {
    id: 4,
    kind: 'sleep',
    address: '127.0.0.1',
    port,
    command: { ...command(directory, port), ...changes },
    pid: null,
  } as const;
  expect(await ask(request)).toMatchObject({ result: 'held' });
}

it('reports the first connection to a sleeping database, also after it became another program', async () => {
  const at = await place();
  const port = await freePortRange(1);
  const first = connectTo(at, 'one');
  await letSleep(first, at.directory, port);
  first.link.close();
  const second = connectTo(at, 'two');
  expect(await second.ask({ id: 5, kind: 'ping' })).toMatchObject({ kind: 'pong' });
  const rung = new Promise((resolve) => {
    second.link.on('report', (report) => {
      if (report.kind === 'ring') resolve(report.port);
    });
  });
  const answer = statusOf(port);
  expect(await rung).toBe(port);
  second.link.send({ id: 0, kind: 'release', port });
  expect(await answer).toBe('ECONNRESET');
});

it('starts the process of a sleeping database itself without a daemon', async () => {
  const at = await place();
  await writeData(at.directory, DATABASE);
  const port = await freePortRange(1);
  const first = connectTo(at, 'one');
  await letSleep(first, at.directory, port);
  first.link.close();
  const answer = statusOf(port);
  const child = await startedIn(at.directory);
  const second = connectTo(at, 'one');
  expect(await second.ask({ id: 6, kind: 'ping' })).toMatchObject({ kind: 'pong' });
  expect(second.link.children.map(({ pid }) => pid)).toEqual([child]);
  const absence = { id: 7, kind: 'absence' } as const;
  expect(await second.ask(absence)).toEqual({
    ...absence,
    failed: [],
    wakes: [{ port, count: 1, at: expect.any(String) }],
  });
  expect(await second.ask({ ...absence, id: 8 })).toMatchObject({ wakes: [] });
  process.kill(child, 'SIGKILL');
  second.link.send({ id: 0, kind: 'release', port });
  expect(await answer).toBe('ECONNRESET');
});

it('opens many ports at once, and keeps their connections for a daemon that knows how to start them', async () => {
  const at = await place();
  const sleeping = await freePortRange(3);
  const [starting, used] = [sleeping + 1, sleeping + 2];
  const server = createServer().listen(used, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const open = (asleep: number[]): KeeperRequest => ({
    id: 4,
    kind: 'open',
    address: '127.0.0.1',
    asleep,
    starting: [starting],
  });
  const first = connectTo(at, 'one');
  const opened = await first.ask(open([sleeping, used]));
  expect(opened).toEqual({ id: 4, kind: 'opened', closed: [used] });
  // The daemon ends before it has sent the commands.
  first.link.close();
  const answers = [statusOf(sleeping), statusOf(starting)];
  const second = connectTo(at, 'two');
  const rung = new Promise((resolve) => {
    second.link.on('report', (report) => {
      if (report.kind === 'ring') resolve(report.port);
    });
  });
  await second.ask(open([sleeping]));
  expect(await rung).toBe(sleeping);
  for (const port of [sleeping, starting]) second.link.send({ id: 0, kind: 'release', port });
  expect(await Promise.all(answers)).toEqual(['ECONNRESET', 'ECONNRESET']);
});

it('opens ports early, and changes nothing for those that are open', async () => {
  const at = await place();
  const sleeping = await freePortRange(2);
  const unknown = sleeping + 1;
  const daemon = connectTo(at, 'one');
  const rung = new Promise((resolve) => {
    daemon.link.on('report', (report) => {
      if (report.kind === 'ring') resolve(report.port);
    });
  });
  const open = (id: number, asleep: number[], early?: number[]) =>
    daemon.ask({ id, kind: 'open', address: '127.0.0.1', asleep, starting: [], ...(early && { early }) });
  await open(4, [sleeping]);
  const opened = await open(5, [], [unknown, sleeping]);
  expect(opened).toEqual({ id: 5, kind: 'opened', closed: [] });
  const answers = [statusOf(unknown), statusOf(sleeping)];
  expect(await rung).toBe(sleeping);
  for (const port of [sleeping, unknown]) daemon.link.send({ id: 0, kind: 'release', port });
  expect(await Promise.all(answers)).toEqual(['ECONNRESET', 'ECONNRESET']);
});

it('starts a database itself whose command came after its port was opened', async () => {
  const at = await place();
  await writeData(at.directory, DATABASE);
  const port = await freePortRange(1);
  const first = connectTo(at, 'one');
  await first.ask({ id: 4, kind: 'open', address: '127.0.0.1', asleep: [port], starting: [] });
  const commands = packCommands([{ port, command: command(at.directory, port) }]);
  expect(await first.ask({ id: 5, kind: 'commands', ...commands })).toMatchObject({ kind: 'pong' });
  first.link.close();
  const answer = statusOf(port);
  const child = await startedIn(at.directory);
  const second = connectTo(at, 'one');
  await second.ask({ id: 6, kind: 'ping' });
  process.kill(child, 'SIGKILL');
  second.link.send({ id: 0, kind: 'release', port });
  expect(await answer).toBe('ECONNRESET');
});

it.each(['missing', 'empty'])('starts no database whose file is %s, and says so', async (state) => {
  const at = await place();
  const port = await freePortRange(1);
  const { link, ask } = connectTo(at, 'one');
  if (state === 'empty') await writeData(at.directory, '');
  await letSleep({ link, ask }, at.directory, port);
  link.close();
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ data: { database: { code: 'data_dir_missing' } } });
  expect(await findByEnvironment('SLEEPER', at.directory)).toEqual([]);
  process.kill(await keeperOf(at.fleetId), 'SIGKILL');
});

it.each([
  ['a damaged file', 'not a database', '/bin/sleep', 'database_corrupt'],
  ['a program that ends', DATABASE, '/bin/false', 'exited'],
  ['a program that is missing', DATABASE, '/bin/missing', 'binary_missing'],
])('answers with the reason when it cannot wake a database: %s', async (_case, content, file, code) => {
  const at = await place();
  const port = await freePortRange(1);
  await writeData(at.directory, content);
  const connected = connectTo(at, 'one');
  await letSleep(connected, at.directory, port, { file });
  connected.link.close();
  for (let request = 0; request < 2; request += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ data: { database: { code } } });
  }
  const next = connectTo(at, 'two');
  expect(await next.ask({ id: 9, kind: 'absence' })).toMatchObject({ failed: [port] });
});

it('starts no database that its daemon could not start', async () => {
  const at = await place();
  const port = await freePortRange(1);
  await writeData(at.directory, DATABASE);
  const { link, ask } = connectTo(at, 'one');
  await letSleep({ link, ask }, at.directory, port);
  const rung = new Promise((resolve) => {
    link.on('report', (report) => {
      if (report.kind === 'ring') resolve(report.port);
    });
  });
  const answer = statusOf(port);
  expect(await rung).toBe(port);
  const problem = { code: 'odd', message: 'odd', retryAfterS: null };
  link.send({ id: 0, kind: 'explain', port, problem, when: 'now' });
  expect(await answer).toBe(503);
  const keeper = await keeperOf(at.fleetId);
  const startTime = Number(processStat(keeper)?.startTime);
  link.close();
  // It has neither a process nor a sleeping database.
  await until(() => !isAlive(keeper, startTime), { what: 'the keeper to end' });
  expect(await findByEnvironment('SLEEPER', at.directory)).toEqual([]);
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
