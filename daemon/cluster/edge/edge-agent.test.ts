import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { MemoryCoordinator, MemoryStore } from '../../../test/helpers/memory-coordinator.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import { until } from '../../../test/helpers/until.ts';
import { systemClock } from '../../base/time/clock.ts';
import { EdgeAgent } from './edge-agent.ts';
import { RouteTable } from './route-table.ts';

const hosts = { api: 'api.example.com', auth: 'auth.example.com', databaseSuffix: '.db.example.com' };
const [ANN, BOB, CEM] = ['2026-01-15-001-ann', '2026-01-15-002-bob', '2026-01-15-003-cem'] as const;

/** An agent, and what the file of its map has. */
async function createStage() {
  const store = new MemoryStore(systemClock);
  const coordinator = new MemoryCoordinator(store);
  const mapFile = join(await scratch(), 'routes.map');
  const end = new AbortController();
  const put = (key: string, value: string) => coordinator.commit({ expect: [], put: [{ key, value }] });
  const ended: string[] = [];
  const own = (name: string, node = 'n1', epoch = 1) =>
    put(`owners/f/${name}`, JSON.stringify({ node, epoch, since: '2026-01-15T08:30:00.000Z', source: null }));
  const route = (name: string, address: string, node = 'n1', epoch = 1) =>
    put(`routes/f/${name}`, JSON.stringify({ node, epoch, address, port: 9001, state: 'open' }));
  const start = () => {
    const agent = new EdgeAgent({
      coordinator,
      table: new RouteTable({ fleet: 'f', controlPlane: 'global', hosts }),
      fleet: 'f',
      map: {
        process: async () => '1',
        replace: async () => {},
        set: async () => {},
        endSessions: async (addresses) => {
          ended.push(...addresses);
          return addresses.size;
        },
      },
      mapFile,
      clock: systemClock,
      log: silentLog,
    });
    const running = agent.run(end.signal);
    onTestFinished(async () => {
      end.abort();
      await running;
    });
  };
  const lines = async () => (await readFile(mapFile, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const untilLines = (expected: readonly string[]) =>
    until(async () => JSON.stringify((await lines()).toSorted()) === JSON.stringify(expected), {
      what: async () => JSON.stringify(await lines()),
    });
  return { put, own, route, start, untilLines, ended };
}

it('changes other routes beside a record that cannot be read, and that one when it can', async () => {
  const { put, own, route, start, untilLines } = await createStage();
  for (const name of [ANN, BOB]) {
    await own(name);
    await route(name, '10.0.0.1');
  }
  start();
  await untilLines([`${ANN}.db.example.com 10.0.0.1|9001`, `${BOB}.db.example.com 10.0.0.1|9001`]);
  await put(`routes/f/${ANN}`, '{');
  await route(BOB, '10.0.0.2');
  await untilLines([`${ANN}.db.example.com 10.0.0.1|9001`, `${BOB}.db.example.com 10.0.0.2|9001`]);
  await route(ANN, '10.0.0.3');
  await untilLines([`${ANN}.db.example.com 10.0.0.3|9001`, `${BOB}.db.example.com 10.0.0.2|9001`]);
});

it('passes no text of a record to HAProxy that is not an address', async () => {
  const { own, route, start, untilLines } = await createStage();
  for (const name of [ANN, BOB, CEM, `${ANN}\nset`]) await own(name);
  await route(ANN, '10.0.0.1 x\nall.example.com 10.0.0.9');
  await route(BOB, 'fe80::1%eth0');
  await route(CEM, '10.0.0.3');
  await route(`${ANN}\nset`, '10.0.0.4');
  start();
  await untilLines([`${CEM}.db.example.com 10.0.0.3|9001`]);
});

it('ends what waits for a former owner, and nothing of one that goes on', async () => {
  const { own, route, start, untilLines, ended } = await createStage();
  for (const name of [ANN, BOB]) {
    await own(name);
    await route(name, name === ANN ? '10.0.0.1' : 'fd00:0::1');
  }
  start();
  await untilLines([`${ANN}.db.example.com 10.0.0.1|9001`, `${BOB}.db.example.com fd00:0::1|9001`]);
  // The same node, with its next daemon.
  await own(ANN, 'n1', 2);
  await untilLines([`${ANN}.db.example.com moving`, `${BOB}.db.example.com fd00:0::1|9001`]);
  await route(ANN, '10.0.0.1', 'n1', 2);
  await untilLines([`${ANN}.db.example.com 10.0.0.1|9001`, `${BOB}.db.example.com fd00:0::1|9001`]);
  expect(ended).toEqual([]);
  await own(ANN, 'n2', 3);
  await own(BOB, 'n2', 2);
  await untilLines([`${ANN}.db.example.com moving`, `${BOB}.db.example.com moving`]);
  await until(() => ended.length === 2, { what: () => String(ended) });
  expect(ended).toEqual(['10.0.0.1:9001', 'fd00::1:9001']);
  await route(ANN, '10.0.0.2', 'n2', 3);
  await untilLines([`${ANN}.db.example.com 10.0.0.2|9001`, `${BOB}.db.example.com moving`]);
  expect(ended).toHaveLength(2);
  // Its port has become that of another database.
  await own(CEM, 'n2');
  await route(CEM, '10.0.0.2', 'n2');
  await own(ANN, 'n3', 4);
  await untilLines([
    `${ANN}.db.example.com moving`,
    `${BOB}.db.example.com moving`,
    `${CEM}.db.example.com 10.0.0.2|9001`,
  ]);
  await route(ANN, '10.0.0.3', 'n3', 4);
  await untilLines([
    `${ANN}.db.example.com 10.0.0.3|9001`,
    `${BOB}.db.example.com moving`,
    `${CEM}.db.example.com 10.0.0.2|9001`,
  ]);
  expect(ended).toHaveLength(2);
});

it('ends what waits for the API of a former leader', async () => {
  const { own, route, start, untilLines, ended } = await createStage();
  await own('global');
  await route('api', '10.0.0.1');
  start();
  await untilLines(['api.example.com 10.0.0.1|9001', 'auth.example.com moving']);
  await own('global', 'n2', 2);
  await untilLines(['api.example.com moving', 'auth.example.com moving']);
  await until(() => ended.length === 1, { what: () => String(ended) });
  expect(ended).toEqual(['10.0.0.1:9001']);
});
