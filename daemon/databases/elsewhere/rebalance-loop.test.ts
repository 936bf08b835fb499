import { expect, it } from 'vitest';
import { FathomError } from '../../../shared/errors.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { ManualTime, settle } from '../../../test/helpers/manual-time.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import type { CatalogEntry } from '../catalog.ts';
import { RebalanceLoop } from './rebalance-loop.ts';

const MINUTE_MS = 60_000;

interface Database {
  phase: InstancePhase;
  idleMs: number | null;
}

function createStage(databases: Record<string, Database>, movesPerHour = 60) {
  const time = new ManualTime();
  const entries = Object.entries(databases).map(
    ([name, { phase, idleMs }]) =>
      ({
        row: { name },
        runner: {
          spec: { archived: () => (name === 'archived' ? { code: 'archived' } : null) },
          state: { phase },
          idleMs: () => idleMs,
        },
      }) as unknown as CatalogEntry,
  );
  const state = { isDrained: false, target: 'n2' as string | null, asked: 0 };
  const moved: string[] = [];
  const refused = new Set<string>();
  const withoutReplica = new Set<string>();
  const loop = new RebalanceLoop({
    movesPerHour,
    nodes: {
      get isDrained() {
        return state.isDrained;
      },
      async rebalanceTarget() {
        state.asked += 1;
        return state.target;
      },
    },
    catalog: { entries: () => entries },
    moves: {
      isReplicated: async ({ row }) => !withoutReplica.has(row.name),
      async move(name, node) {
        moved.push(`${name} to ${node}`);
        if (refused.has(name)) throw new FathomError('conflict', 'it has uploaded files');
      },
    },
    clock: time,
    log: silentLog,
  });
  loop.start();
  const pass = async (ms: number) => {
    await time.advance(ms);
    await settle();
  };
  return { loop, state, moved, refused, withoutReplica, pass };
}

const RUNS: Database = { phase: 'running', idleMs: 20 * MINUTE_MS };

it('moves no more databases in an hour than it may, those that are idle longest first', async () => {
  const { loop, moved, pass } = createStage({
    a: RUNS,
    b: { phase: 'running', idleMs: 30 * MINUTE_MS },
    c: { phase: 'asleep', idleMs: null },
  });
  await pass(30_000);
  expect(moved).toEqual([]);
  await pass(40_000);
  expect(moved).toEqual(['c to n2']);
  await pass(40_000);
  expect(moved).toHaveLength(1);
  await pass(10 * MINUTE_MS);
  expect(moved).toEqual(['c to n2', 'b to n2', 'a to n2']);
  await loop.stop();
});

it('moves none that is used, has no replica, or could not be moved before', async () => {
  const { loop, moved, refused, withoutReplica, pass } = createStage({
    used: { phase: 'running', idleMs: 5 * MINUTE_MS },
    starting: { phase: 'starting', idleMs: null },
    archived: { phase: 'asleep', idleMs: null },
    bare: RUNS,
    refused: RUNS,
  });
  withoutReplica.add('bare');
  refused.add('refused');
  await pass(10 * MINUTE_MS);
  expect(moved).toEqual(['refused to n2']);
  withoutReplica.clear();
  await pass(10 * MINUTE_MS);
  expect(moved).toEqual(['refused to n2', 'bare to n2']);
  await pass(6 * 60 * MINUTE_MS);
  expect(moved).toEqual(['refused to n2', 'bare to n2', 'refused to n2']);
  await loop.stop();
});

it('moves none while the nodes are even, or this one is drained, and none without the setting', async () => {
  const even = createStage({ a: RUNS });
  even.state.target = null;
  await even.pass(10 * MINUTE_MS);
  even.state.target = 'n2';
  even.state.isDrained = true;
  await even.pass(10 * MINUTE_MS);
  expect(even.moved).toEqual([]);
  even.state.isDrained = false;
  await even.pass(MINUTE_MS);
  expect(even.moved).toEqual(['a to n2']);
  await even.loop.stop();
  const off = createStage({ a: RUNS }, 0);
  await off.pass(10 * MINUTE_MS);
  expect(off.state.asked).toBe(0);
});
