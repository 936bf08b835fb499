import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../../test/helpers/memory-coordinator.ts';
import { nodeRecord } from '../../../test/helpers/node-record.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import { Claims } from '../claims.ts';
import { Refusals } from '../moves/refusals.ts';
import { removeNode } from '../moves/remove-node.ts';
import { drainKey, memberKey, type NodeRecord, nodeKey, ownersOf, parseOwner } from '../records.ts';
import { Drains } from './drains.ts';
import { Orphans } from './orphans.ts';

const GIB = 1024 ** 3;
const SHARED = { fleet: 'f', takeover: true, secrets: 's' };
const NAMES = Array.from({ length: 12 }, (_, index) => `d${index}`);

async function createStage() {
  const time = new ManualTime();
  const store = new MemoryStore(time);
  const coordinator = new MemoryCoordinator(store);
  const join = async (node: string, change: Partial<NodeRecord> = {}) => {
    const memory = { memory_total_bytes: 8 * GIB, memory_free_bytes: 4 * GIB };
    const value = JSON.stringify(nodeRecord(node, time.now(), { ...memory, ...change }));
    const session = await coordinator.openSession(1_000);
    await coordinator.commit({
      expect: [],
      put: [
        { key: nodeKey(node), value, session },
        { key: memberKey(node), value },
      ],
    });
    return session;
  };
  const facts = { node: 'n1', ...SHARED };
  const claims = new Claims({ coordinator, facts, clock: time });
  const receiving = new Set<string>();
  const events: string[] = [];
  const orphans = new Orphans({
    coordinator,
    facts,
    claims,
    claimProblem: (name) => claims.problem(name),
    isReceiving: (name) => receiving.has(name),
    onGained: () => events.push('gained'),
    clock: time,
    drains: new Drains({
      coordinator,
      facts,
      publish: async () => {},
      claims,
      refusals: new Refusals(time),
      controlPlane: 'global',
      clock: time,
      log: silentLog,
    }),
  });
  const owners = () => {
    const counts: Record<string, number> = {};
    for (const entry of store.entries.values()) {
      if (!entry.key.startsWith(ownersOf('f'))) continue;
      const { node } = parseOwner(entry);
      counts[String(node)] = (counts[String(node)] ?? 0) + 1;
    }
    return counts;
  };
  await join('n1');
  const lost = await join('n4');
  const former = new Claims({ coordinator, facts: { ...facts, node: 'n4' }, clock: time });
  for (const name of NAMES) {
    await former.problem(name);
    await former.recordSource(name, `HOST/${name}/e1`);
  }
  const drain = (node: string) =>
    coordinator.commit({
      expect: [],
      put: [{ key: drainKey(node), value: JSON.stringify({ since: time.now().toISOString() }) }],
    });
  return { time, store, coordinator, join, former, lost, claims, orphans, owners, drain, receiving, events };
}

it('spreads the databases of a lost node over the others, by their load', async () => {
  const { coordinator, join, lost, claims, orphans, owners } = await createStage();
  await join('n2');
  await join('n3', { memory_total_bytes: 16 * GIB, memory_free_bytes: 8 * GIB });
  await claims.load();
  expect(await orphans.place()).toBe(0);
  expect(owners()).toEqual({ n4: 12 });
  await coordinator.closeSession(lost);
  expect(await orphans.place()).toBe(3);
  expect(owners()).toEqual({ n1: 3, n2: 3, n3: 6 });
  expect(claims.ownedNames()).toHaveLength(3);
});

it('gives none to nodes that are drained, or cannot take them, also to this one', async () => {
  const { coordinator, join, lost, claims, orphans, owners, drain } = await createStage();
  await join('n2');
  await join('n3', { serves: false });
  await drain('n1');
  await claims.load();
  await coordinator.closeSession(lost);
  expect(await orphans.place()).toBe(0);
  expect(owners()).toEqual({ n2: 12 });
});

it('leaves those that no node can take, until one can', async () => {
  const { coordinator, join, lost, claims, orphans, owners, drain } = await createStage();
  await join('n2', { secrets: 'other' });
  await drain('n1');
  await claims.load();
  await coordinator.closeSession(lost);
  expect(await orphans.place()).toBe(0);
  expect(owners()).toEqual({ n4: 12 });
  await coordinator.commit({ expect: [], remove: [drainKey('n1')] });
  expect(await orphans.place()).toBe(12);
});

it('gives nothing to a node that is drained or ends at the same moment, and takes nothing from one that comes back', async () => {
  const { store, coordinator, join, lost, claims, owners, drain } = await createStage();
  const second = await join('n2');
  await claims.load();
  expect(await claims.assign('d0', 'n2')).toBe(false);
  await coordinator.closeSession(lost);
  const commit = store.commit.bind(store);
  const meanwhile = async (change: () => void) => {
    let isFirst = true;
    store.commit = (wanted) => {
      store.commit = commit;
      if (isFirst) change();
      isFirst = false;
      return commit(wanted);
    };
    return claims.assign('d0', 'n2');
  };
  expect(await meanwhile(() => void drain('n2'))).toBe(false);
  await coordinator.commit({ expect: [], remove: [drainKey('n2')] });
  expect(await meanwhile(() => store.end(second))).toBe(false);
  expect(await claims.assign('d0', 'n2')).toBe(false);
  await join('n2');
  expect(await meanwhile(() => void commit({ expect: [], put: [{ key: nodeKey('n4'), value: '' }] }))).toBe(
    false,
  );
  expect(owners()).toEqual({ n4: 12 });
});

it('leaves what this node receives at the moment', async () => {
  const { coordinator, lost, claims, orphans, owners, receiving, events } = await createStage();
  await claims.load();
  await coordinator.closeSession(lost);
  receiving.add('d3');
  expect(await orphans.place()).toBe(11);
  expect(owners()).toEqual({ n1: 11, n4: 1 });
  expect(events).toEqual(['gained']);
});

it('reports what it gained, also when another change fails', async () => {
  const { coordinator, join, lost, claims, orphans, owners, events } = await createStage();
  await join('n2');
  await claims.load();
  await coordinator.closeSession(lost);
  claims.assign = () => Promise.reject(new Error('cut off'));
  await expect(orphans.place()).rejects.toThrow('cut off');
  expect(owners()['n1']).toBeGreaterThan(0);
  expect(events).toEqual(['gained']);
});

it('gives what was freed from a removed node to others, except what has no replica', async () => {
  const { time, coordinator, join, former, lost, claims, orphans, owners, drain } = await createStage();
  await join('n2');
  await drain('n1');
  await former.problem('alone');
  await claims.load();
  await coordinator.closeSession(lost);
  await removeNode('n4', { coordinator, clock: time, last: 'global' });
  await claims.load();
  expect(await orphans.place()).toBe(0);
  expect(owners()).toEqual({ n2: 12, null: 1 });
});

it('asks less and less often for databases without a replica, and at once when their node has been back', async () => {
  const { time, coordinator, join, former, lost, claims, orphans, owners } = await createStage();
  await join('n2');
  for (const name of ['bare-1', 'bare-2']) await former.problem(name);
  await claims.load();
  await coordinator.closeSession(lost);
  const read: string[] = [];
  const get = coordinator.get.bind(coordinator);
  coordinator.get = (key) => {
    read.push(key);
    return get(key);
  };
  const reads = () => read.splice(0).filter((key) => key.includes('/bare-')).length;
  await orphans.place();
  expect(owners()).toMatchObject({ n4: 2 });
  await claims.load();
  expect(reads()).toBeGreaterThan(0);
  await orphans.place();
  expect(reads()).toBe(0);
  for (let second = 0; second < 600; second += 1) {
    await time.advance(1_000);
    await orphans.place();
  }
  expect(reads()).toBeLessThan(2 * 12 * 2);
  const back = await join('n4');
  await orphans.place();
  await coordinator.closeSession(back);
  await orphans.place();
  expect(reads()).toBeGreaterThan(0);
});
