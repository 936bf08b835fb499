import { expect, it } from 'vitest';
import type { DrainProgress } from '../../../shared/api/nodes.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { ManualTime, settle } from '../../../test/helpers/manual-time.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import type { CatalogEntry } from '../catalog.ts';
import { NodeDrain } from './node-drain.ts';

function createStage(phases: Record<string, InstancePhase>) {
  const time = new ManualTime();
  const archived = new Set<string>();
  const replicated = new Set(Object.keys(phases));
  const events: string[] = [];
  const entries = new Map<string, CatalogEntry>();
  for (const [name, phase] of Object.entries(phases)) {
    const state = { phase };
    const runner = {
      spec: { archived: () => (archived.has(name) ? { code: 'archived' } : null) },
      state,
      idleMs: () => null,
      wake() {
        events.push(`wake ${name}`);
        state.phase = 'running';
        return true;
      },
    };
    entries.set(name, { row: { name }, runner } as unknown as CatalogEntry);
  }
  const begun = new Map<string, PromiseWithResolvers<void>>();
  const cluster = {
    request: null as number | null,
    target: 'n2' as string | null,
    refusals: new Map<string, string>(),
    progress: null as DrainProgress | null,
  };
  const drain = new NodeDrain({
    drain: {
      get request() {
        return cluster.request;
      },
      chooseTarget: async () => cluster.target,
      refusalsOf: () => cluster.refusals,
      report: (progress) => {
        cluster.progress = progress;
      },
    },
    catalog: { entries: () => [...entries.values()], find: (name) => entries.get(name) ?? null },
    moves: {
      isReplicated: async ({ row }) => replicated.has(row.name),
      move(name, node) {
        events.push(`move ${name} to ${node}`);
        const moved = Promise.withResolvers<void>();
        begun.set(name, moved);
        return moved.promise;
      },
    },
    clock: time,
    log: silentLog,
  });
  drain.start();
  const look = async (ms = 1_000) => {
    await time.advance(ms);
    await settle();
  };
  const end = async (name: string, error?: Error) => {
    if (error) begun.get(name)?.reject(error);
    else begun.get(name)?.resolve();
    await settle();
  };
  return { drain, cluster, events, replicated, archived, look, end };
}

it('moves four databases at a time, until none is left', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const { drain, cluster, events, look, end } = createStage(
    Object.fromEntries(names.map((name) => [name, 'running'])),
  );
  await look();
  expect(events).toEqual([]);
  cluster.request = 1;
  await look();
  expect(events).toEqual(['a', 'b', 'c', 'd'].map((name) => `move ${name} to n2`));
  expect(cluster.progress).toMatchObject({ left: 6, moving: 4, failed: 0 });
  await end('b');
  expect(events.at(-1)).toBe('move e to n2');
  for (const name of names) await end(name);
  await look();
  expect(cluster.progress).toEqual({ left: 0, moving: 0, failed: 0, problems: [] });
  cluster.request = null;
  await look();
  expect(cluster.progress).toBeNull();
  await drain.stop();
});

it('says what cannot move and why, and tries it again', async () => {
  const { drain, cluster, events, look, end } = createStage({ a: 'running', b: 'running' });
  cluster.request = 1;
  await look();
  await end('b');
  await end('a', new FathomError('conflict', 'it has uploaded files'));
  await look();
  expect(cluster.progress).toEqual({
    left: 1,
    moving: 0,
    failed: 1,
    problems: [{ name: 'a', message: 'it has uploaded files' }],
  });
  const attempts = () => events.filter((event) => event === 'move a to n2').length;
  expect(attempts()).toBe(1);
  await look(10_000);
  expect(attempts()).toBe(2);
  await end('a', new FathomError('conflict', 'it has uploaded files'));
  cluster.request = 2;
  await look();
  expect(attempts()).toBe(3);
  await end('a');
  expect(cluster.progress).toMatchObject({ left: 0, failed: 0 });
  await drain.stop();
});

it('says that no node can take databases, and goes on when one can', async () => {
  const { drain, cluster, events, look } = createStage({ a: 'running', b: 'asleep' });
  cluster.request = 1;
  cluster.target = null;
  await look();
  expect(cluster.progress).toMatchObject({ left: 2, moving: 0, failed: 2 });
  cluster.target = 'n3';
  await look();
  expect(events).toEqual(['move b to n3', 'move a to n3']);
  await drain.stop();
});

it('wakes a database that sleeps and has no replica, and moves it when it has one', async () => {
  const { drain, cluster, events, replicated, look } = createStage({ a: 'asleep' });
  replicated.delete('a');
  cluster.request = 1;
  await look();
  await look();
  expect(events).toEqual(['wake a']);
  replicated.add('a');
  await look();
  expect(events).toEqual(['wake a', 'move a to n2']);
  await drain.stop();
});

it('wakes no archived database, and lets the move say why it stays', async () => {
  const { drain, cluster, events, replicated, archived, look } = createStage({ a: 'asleep' });
  replicated.delete('a');
  archived.add('a');
  cluster.request = 1;
  await look();
  expect(events).toEqual(['move a to n2']);
  await drain.stop();
});

it('begins no move after a stop, or when the node is not drained any more', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const { drain, cluster, events, look, end } = createStage(
    Object.fromEntries(names.map((name) => [name, 'running'])),
  );
  cluster.request = 1;
  await look();
  cluster.request = null;
  await end('a');
  await look();
  expect(events).toHaveLength(4);
  await drain.stop();
  cluster.request = 1;
  await end('b');
  await look();
  expect(events).toHaveLength(4);
});

it('says why each node has not taken a database', async () => {
  const { drain, cluster, look, end } = createStage({ a: 'running' });
  cluster.request = 1;
  await look();
  cluster.refusals.set('n2', 'refused it: its disk is full').set('n3', 'went offline');
  await end('a', new FathomError('conflict', 'a stays on this node: node n3 went offline'));
  await look();
  const message = 'it stays for now: node n2 refused it: its disk is full; node n3 went offline';
  expect(cluster.progress?.problems).toEqual([{ name: 'a', message }]);
  await drain.stop();
});
