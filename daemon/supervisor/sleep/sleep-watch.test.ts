import { expect, it } from 'vitest';
import { putFiles } from '../../../test/helpers/applications.ts';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Runner } from '../runner.ts';
import { MAX_TRIES, SleepWatch } from './sleep-watch.ts';

const MINUTE = 60_000;

interface Database {
  name: string;
  idleMs: number;
  hasJobs: boolean;
  /** Its last request comes after the look at its jobs, and gives it some. */
  getsJobs: boolean;
  hasClients: boolean;
  /** null sleeps only above MAX_AWAKE, 0 never. */
  sleepAfterMs: number | null;
  isAsleep: boolean;
  tries: number;
}

function database(name: string, changes: Partial<Database> = {}): Database {
  return {
    name,
    idleMs: 40 * MINUTE,
    hasJobs: false,
    getsJobs: false,
    hasClients: false,
    sleepAfterMs: 30 * MINUTE,
    isAsleep: false,
    tries: 0,
    ...changes,
  };
}

/** What the watch uses of a runner. */
function runnerOf(one: Database): Runner {
  const runner = {
    spec: {
      name: one.name,
      kind: 'user',
      archived: () => null,
      hasOwnJobs: () => one.hasJobs,
      staysAwake: () => one.sleepAfterMs === 0,
    },
    state: {
      get phase() {
        return one.isAsleep ? 'asleep' : 'running';
      },
      observed: {
        get pid() {
          return one.isAsleep ? null : 1;
        },
      },
    },
    idleMs: () => one.idleMs,
    sleep: () => {
      one.tries += 1;
      one.hasJobs ||= one.getsJobs;
      one.isAsleep = !one.hasClients;
      return Promise.resolve(one.hasClients ? 'it has clients' : null);
    },
  };
  return runner as unknown as Runner;
}

function watch(databases: readonly Database[], maxAwake: number | null = null) {
  const time = new ManualTime();
  const runners = databases.map(runnerOf);
  const woken: string[] = [];
  const sleepWatch = new SleepWatch({
    fleet: {
      size: runners.length + 1,
      runners: (matches) => (matches ? runners.filter(matches) : runners),
      sortedRunners: () => runners,
      withProcess: () => runners.filter(({ state }) => state.observed.pid !== null),
      sendCommands: () => Promise.resolve(),
      wake: (name) => {
        woken.push(name);
        return Promise.reject(new Error('not needed here'));
      },
    },
    settings: { maxAwake },
    memory: { available: () => 4, total: () => 8 },
    isSupported: () => Promise.resolve(true),
    sleepAfterMs: ({ spec }) => databases.find(({ name }) => name === spec.name)?.sleepAfterMs || null,
    hasUsableFiles: () => true,
    lookEveryMs: 10_000,
    clock: time,
    log: { warn: () => {} } as unknown as Logger,
  });
  sleepWatch.start();
  return { time, woken, sleepWatch, asleep: () => databases.filter(({ isAsleep }) => isAsleep) };
}

function many(count: number, changes: Partial<Database>): Database[] {
  return Array.from({ length: count }, (_, index) => database(`kept${index}`, changes));
}

it('databases that cannot sleep keep no others awake', async () => {
  for (const changes of [{ hasJobs: true }, { hasClients: true }]) {
    const kept = many(3 * MAX_TRIES, { ...changes, idleMs: 90 * MINUTE });
    const idle = database('idle');
    const { time, sleepWatch, asleep } = watch([...kept, idle]);
    await time.advance(MINUTE);
    expect(asleep()).toEqual([idle]);
    await sleepWatch.stop();
  }
});

it('a look tries and ends only some, and those that could not sleep are tried later', async () => {
  const kept = many(MAX_TRIES + 10, { hasClients: true });
  const { time, sleepWatch } = watch(kept);
  const tries = () => kept.reduce((sum, one) => sum + one.tries, 0);
  await time.advance(500);
  expect(tries()).toBe(MAX_TRIES);
  await time.advance(10_000);
  expect(kept.map((one) => one.tries)).toEqual(kept.map(() => 1));
  await time.advance(30_000);
  expect(Math.min(...kept.map((one) => one.tries))).toBe(2);
  await sleepWatch.stop();
});

it('not all databases end at once', async () => {
  const { time, sleepWatch, asleep } = watch(many(50, {}));
  await time.advance(500);
  expect(asleep()).toHaveLength(20);
  await time.advance(5_000);
  expect(asleep()).toHaveLength(50);
  await sleepWatch.stop();
});

it('only as many as are above MAX_AWAKE sleep, also without SLEEP_AFTER, and none that never sleeps', async () => {
  const databases = [
    database('never', { sleepAfterMs: 0, idleMs: 90 * MINUTE }),
    database('used', { sleepAfterMs: null, idleMs: 5_000 }),
    database('busy', { sleepAfterMs: null, idleMs: 80 * MINUTE, hasClients: true }),
    database('older', { sleepAfterMs: null, idleMs: 3 * MINUTE }),
    database('newer', { sleepAfterMs: null, idleMs: 2 * MINUTE }),
  ];
  const { time, sleepWatch, asleep } = watch(databases, 4);
  await time.advance(MINUTE);
  expect(asleep().map(({ name }) => name)).toEqual(['older']);
  await sleepWatch.stop();
});

it('a database whose last request gave it jobs is woken', async () => {
  const one = database('own', { getsJobs: true });
  const { time, woken, sleepWatch, asleep } = watch([one]);
  await time.advance(500);
  expect(asleep()).toEqual([one]);
  expect(woken).toEqual(['own']);
  await sleepWatch.stop();
});

it('starts a database whose hooks are not those that it should have', async () => {
  const directory = await scratch();
  await putFiles(directory, { 'pb_data/data.db': 'SQLite' });
  const one = database('one', {});
  const { sleepWatch } = watch([one]);
  for (const isPrepared of [true, false]) {
    const runner = runnerOf(one);
    Object.assign(runner.spec, { directory, isPrepared: () => isPrepared });
    expect(await sleepWatch.startsAsleep(runner)).toBe(isPrepared);
  }
  await sleepWatch.stop();
});
