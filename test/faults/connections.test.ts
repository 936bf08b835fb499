import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { bareInstance } from '../helpers/bare-instance.ts';
import { type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import {
  instance,
  kill,
  signUp,
  signUpMany,
  untilInstance,
  untilReplaced,
  untilRunning,
} from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import { statusOf } from '../helpers/status-prober.ts';
import { until } from '../helpers/until.ts';

/** `CONNECTION_ROUNDS=25` is the complete test. */
const ROUNDS = Number(process.env['CONNECTION_ROUNDS'] ?? 4);
const CONNECTIONS = 50;
const TIMEOUT_MS = 120_000 + ROUNDS * 30_000;

/** The answers to connections that are spread over a time, as `status: count`. */
async function answers(port: number, count: number, overMs: number): Promise<Record<string, number>> {
  const statuses = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const waitMs = (index * overMs) / count;
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      return statusOf(port);
    }),
  );
  return counted(statuses);
}

function counted(statuses: readonly (number | string)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Opens a connection each millisecond, and counts those that were refused or reset before an answer. */
function startDenseProber(port: number): { stop: () => Promise<Record<string, number>> } {
  const pending: Promise<number | string>[] = [];
  const timer = setInterval(() => pending.push(statusOf(port)), 1);
  return {
    stop: async () => {
      clearInterval(timer);
      return counted(await Promise.all(pending));
    },
  };
}

function untilAsleep(fathom: Deployment, name: string) {
  return untilInstance(fathom, name, ({ phase }) => phase === 'asleep', 'to sleep', 60_000);
}

it.each([
  ['at once', 0],
  ['over 30 ms', 30],
  ['over 60 ms', 60],
])(
  `${ROUNDS} times ${CONNECTIONS} connections to a sleeping database, %s, are all answered`,
  async (_, overMs) => {
    const fathom = await deployment({ TEST_SLEEP_AFTER_MS: '100' });
    await fathom.start({}, SCRIPTED);
    const { name } = await signUp(fathom);
    for (let round = 0; round < ROUNDS; round += 1) {
      const { port } = await untilAsleep(fathom, name);
      expect(await answers(port as number, CONNECTIONS, overMs)).toEqual({ 200: CONNECTIONS });
    }
  },
  TIMEOUT_MS,
);

it(
  'a connection each millisecond: none is refused while a database is woken, killed and restarted, nor while the daemon is killed',
  async () => {
    const fathom = await deployment({ TEST_SLEEP_AFTER_MS: '2000' });
    let daemon = await fathom.start({}, SCRIPTED);
    const { name } = await signUp(fathom);
    const port = (await untilAsleep(fathom, name)).port as number;
    const prober = startDenseProber(port);
    let current = await untilRunning(fathom, name);
    for (let round = 0; round < ROUNDS; round += 1) {
      kill(current.pid, 'SIGKILL');
      current = await untilReplaced(fathom, current);
      await fathom.client.databases.restart(name);
      daemon.signal('SIGKILL');
      await daemon.exited;
      daemon = await fathom.start({}, SCRIPTED);
      current = await untilRunning(fathom, name);
    }
    const { ECONNRESET: reset = 0, EPIPE: broken = 0, ...others } = await prober.stop();
    // A process that ends takes the connections with it that it had accepted.
    console.log(`${JSON.stringify(others)}, ${reset + broken} connections ended with their process`);
    expect(Object.keys(others)).toEqual(['200']);
  },
  TIMEOUT_MS,
);

it(
  'while the keeper is killed, only a database that does not run can refuse, until the next keeper runs',
  async () => {
    const fathom = await deployment({ TEST_SLEEP_AFTER_MS: '3000' });
    await fathom.start({}, SCRIPTED);
    const [awake, asleep] = await signUpMany(fathom, 2);
    const { port: sleeping } = await untilAsleep(fathom, asleep?.name ?? '');
    const { port: running } = await instance(fathom, awake?.name ?? '');
    const prober = startDenseProber(running as number);
    await untilRunning(fathom, awake?.name ?? '');
    const keeper = await keeperOf(fleetIdOf(fathom.dataDir));
    kill(keeper, 'SIGKILL');
    const began = performance.now();
    await until(async () => (await statusOf(sleeping as number)) === 200, {
      what: 'an answer of the sleeping one',
    });
    console.log(`a sleeping database was refused for at most ${Math.round(performance.now() - began)} ms`);
    expect(Object.keys(await prober.stop())).toEqual(['200']);
  },
  TIMEOUT_MS,
);

it('a connection that waits for a minute gets status 503 with the reason', async () => {
  const bare = await bareInstance();
  const { driver, command } = bare;
  expect(await driver.hold(command.host, command.port)).toBe(true);
  const process = await bare.start();
  await bare.untilReady();
  process.signal('SIGKILL');
  await process.exited;
  const answer = await fetch(`http://127.0.0.1:${command.port}/api/health`);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10']);
  expect(await answer.json()).toMatchObject({ data: { database: { code: 'starting' } } });
}, 120_000);

it(
  'a storm of wakes is answered in the order of the connections, and silent ones wake nothing',
  async () => {
    const count = ROUNDS * 8;
    const fathom = await deployment({ TEST_SLEEP_AFTER_MS: '20000' }, { ports: count * 2 });
    const first = await fathom.start({}, SCRIPTED);
    await signUpMany(fathom, count);
    await first.stop();
    await fathom.start({}, SCRIPTED);
    const databases = await until(
      async () => {
        const all = (await fathom.client.databases.all()).filter(({ kind }) => kind === 'user');
        return all.every(({ phase }) => phase === 'asleep') && all.length === count ? all : null;
      },
      { what: 'all to sleep' },
    );
    const silent = databases.map(({ port }) => connect(port as number, '127.0.0.1'));
    const statuses = await Promise.all(
      databases.slice(0, count / 2).map(({ port }) => statusOf(port as number)),
    );
    expect(counted(statuses)).toEqual({ 200: count / 2 });
    const phases = (await fathom.client.databases.all()).filter(({ phase }) => phase === 'asleep');
    expect(phases).toHaveLength(count / 2);
    for (const socket of silent) socket.destroy();
  },
  TIMEOUT_MS,
);
