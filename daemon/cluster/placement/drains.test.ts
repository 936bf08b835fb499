import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../../test/helpers/memory-coordinator.ts';
import { nodeRecord } from '../../../test/helpers/node-record.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import { Refusals } from '../moves/refusals.ts';
import { readNodes } from '../node-list.ts';
import { drainKey, memberKey, type NodeRecord, nodeKey, ownersOf } from '../records.ts';
import { Drains } from './drains.ts';

const GIVER = { fleet: 'f', takeover: true, secrets: 's' };
const PROGRESS = { left: 3, moving: 1, failed: 0, problems: [] };

function createStage() {
  const time = new ManualTime();
  const coordinator = new MemoryCoordinator(new MemoryStore(time));
  const add = async (node: string, change: Partial<NodeRecord> = {}) => {
    const value = JSON.stringify(nodeRecord(node, time.now(), change));
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
  const published: unknown[] = [];
  const counts = new Map<string, number>();
  const refusals = new Refusals(time);
  const drainsOf = (node: string) => {
    const drains: Drains = new Drains({
      coordinator,
      facts: { node, ...GIVER },
      publish: async () => void published.push(drains.progress),
      claims: { counts: () => counts },
      refusals,
      controlPlane: 'global',
      clock: time,
      log: silentLog,
    });
    return drains;
  };
  return { time, coordinator, add, drainsOf, published, counts, refusals };
}

it('is seen by all nodes, until it ends', async () => {
  const { coordinator, add, drainsOf, time } = createStage();
  await add('n1');
  await add('n2');
  const [one, two] = [drainsOf('n1'), drainsOf('n2')];
  const left = new AbortController();
  const kept = one.keep(left.signal);
  expect(one.isDrained).toBe(false);
  const since = time.now().toISOString();
  await two.begin('n1');
  expect(one.isDrained).toBe(true);
  const { request } = one;
  await time.advance(5_000);
  await two.begin('n1');
  expect(one.request).toBeGreaterThan(request ?? Number.POSITIVE_INFINITY);
  expect(await two.list()).toEqual(new Map([['n1', { since, purpose: 'maintenance' }]]));
  await two.end('n1');
  await two.end('n1');
  expect([one.isDrained, one.request]).toEqual([false, null]);
  await expect(two.begin('n9')).rejects.toMatchObject({ code: 'not_found' });
  await expect(two.end('n9')).rejects.toMatchObject({ code: 'not_found' });
  expect(await coordinator.list('drains/')).toEqual([]);
  left.abort();
  await kept;
});

it('does not show the end of an earlier drain', async () => {
  const { add, drainsOf, published } = createStage();
  await add('n1');
  await add('n2');
  const drains = drainsOf('n1');
  await drains.begin('n1');
  drains.report({ left: 0, moving: 0, failed: 0, problems: [] });
  await drains.end('n1');
  await drains.begin('n1');
  expect(drains.progress).toBeNull();
  expect(published.at(-1)).toBeNull();
});

it('begins only when another node can take the databases', async () => {
  const { coordinator, add, drainsOf } = createStage();
  await add('n1');
  const drains = drainsOf('n1');
  await expect(drains.begin('n1')).rejects.toMatchObject({ code: 'conflict' });
  const session = await add('n2', { fleet: 'g' });
  await add('n3', { serves: false });
  await expect(drains.begin('n1')).rejects.toMatchObject({ code: 'conflict' });
  await coordinator.closeSession(session);
  await add('n2');
  await drains.begin('n1');
  await expect(drains.begin('n2')).rejects.toMatchObject({
    message: expect.stringContaining('n1: it is drained') as string,
  });
});

it('chooses the node with the lowest load of those that are not drained', async () => {
  const { coordinator, add, drainsOf } = createStage();
  await add('n1');
  await add('n2', { databases: 1, running: 1 });
  await add('n3', { databases: 2, running: 2 });
  await add('n4', { fleet: 'g' });
  const drains = drainsOf('n1');
  expect(await drains.chooseTarget('a', new Map())).toBe('n2');
  expect(await drains.chooseTarget('a', new Map([['n2', 5]]))).toBe('n3');
  await drains.begin('n2');
  expect(await drains.chooseTarget('a', new Map())).toBe('n3');
  await coordinator.commit({
    expect: [],
    put: [{ key: drainKey('n3'), value: '{"since":"2026-01-15T08:30:00.000Z"}' }],
  });
  expect(await drains.chooseTarget('a', new Map())).toBeNull();
});

it('finds a node that has fewer databases for its memory', async () => {
  const { add, drainsOf, counts } = createStage();
  const drains = drainsOf('n1');
  counts.set('n1', 9).set('n2', 3);
  await add('n2', { databases: 8 });
  expect(await drains.rebalanceTarget()).toBeNull();
  await add('n1');
  expect(await drains.rebalanceTarget()).toBe('n2');
  counts.set('n1', 4);
  expect(await drains.rebalanceTarget()).toBeNull();
  counts.set('n1', 9);
  await drains.begin('n2');
  expect(await drains.rebalanceTarget()).toBeNull();
});

it('publishes what has changed, and is in the list of nodes', async () => {
  const { coordinator, add, drainsOf, published } = createStage();
  const session = await add('n1', { drain: PROGRESS });
  await add('n2');
  const drains = drainsOf('n1');
  drains.report(null);
  drains.report(PROGRESS);
  drains.report({ ...PROGRESS });
  expect(published).toEqual([PROGRESS]);
  await drains.begin('n1');
  const owner = { node: 'n1', epoch: 1, since: '2026-01-15T08:30:00.000Z', source: null };
  await coordinator.commit({
    expect: [],
    put: [{ key: `${ownersOf('f')}global`, value: JSON.stringify(owner) }],
  });
  const read = async () => (await readNodes(coordinator, 'global')).map(({ drain }) => drain);
  expect(await read()).toMatchObject([{ control_plane: true, progress: PROGRESS }, null]);
  await coordinator.closeSession(session);
  expect(await read()).toMatchObject([{ control_plane: true, progress: null }, null]);
});

it('drains only one of the last two nodes, when both are asked at the same moment', async () => {
  const { coordinator, add, drainsOf } = createStage();
  await add('n1');
  await add('n2');
  const results = await Promise.allSettled([drainsOf('n1').begin('n1'), drainsOf('n2').begin('n2')]);
  const refused = results.filter((result) => result.status === 'rejected');
  expect(refused).toMatchObject([{ reason: { code: 'conflict' } }]);
  expect(await coordinator.list('drains/')).toHaveLength(1);
});

it('leaves one node that takes databases when all are asked at the same moment', async () => {
  const { coordinator, add, drainsOf } = createStage();
  const nodes = ['n1', 'n2', 'n3', 'n4', 'n5'];
  for (const node of nodes) await add(node);
  const results = await Promise.allSettled(nodes.map((node) => drainsOf(node).begin(node)));
  expect(await coordinator.list('drains/')).toHaveLength(4);
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
});

it('avoids a node that has just refused the database, and tries it again when all have', async () => {
  const { time, add, drainsOf, counts, refusals } = createStage();
  await add('n1');
  await add('n2');
  await add('n3', { databases: 2, running: 2 });
  const drains = drainsOf('n1');
  const choose = (name: string) => drains.chooseTarget(name, new Map());
  counts.set('n1', 9);
  expect(await drains.rebalanceTarget()).toBe('n2');
  refusals.note('a', 'n2', 'refused it: its disk is full');
  expect([await choose('a'), await choose('b')]).toEqual(['n3', 'n2']);
  expect(await drains.rebalanceTarget()).toBe('n3');
  await time.advance(60_000);
  refusals.note('a', 'n3', 'refused it: it differs');
  expect(await choose('a')).toBe('n2');
  expect(await drains.rebalanceTarget()).toBeNull();
  expect([...drains.refusalsOf('a')]).toEqual([
    ['n2', 'refused it: its disk is full'],
    ['n3', 'refused it: it differs'],
  ]);
  await time.advance(540_000);
  expect(await choose('a')).toBe('n2');
  expect([...drains.refusalsOf('a').keys()]).toEqual(['n3']);
});

it('drains for an upgrade one node at a time, while all others can take databases', async () => {
  const { add, drainsOf, coordinator } = createStage();
  await add('n1');
  const session = await add('n2');
  await add('n3');
  const [one, two] = [drainsOf('n1'), drainsOf('n2')];
  const results = await Promise.allSettled([one.begin('n1', 'upgrade'), two.begin('n2', 'upgrade')]);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const [[drained = ''] = []] = await one.list();
  const other = drained === 'n1' ? 'n2' : 'n1';
  await expect(one.begin(other, 'upgrade')).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`${drained} is drained for its upgrade`) as string,
  });
  await one.begin(drained, 'upgrade');
  await one.end(drained);
  await coordinator.closeSession(session);
  await expect(one.begin('n1', 'upgrade')).rejects.toMatchObject({
    message: expect.stringContaining('n2 is offline') as string,
  });
  expect(await one.list()).toEqual(new Map());
});

it('keeps a node drained for maintenance in an upgrade, and after an administrator drained it', async () => {
  const { add, drainsOf } = createStage();
  await add('n1');
  await add('n2');
  const drains = drainsOf('n1');
  const purpose = async () => (await drains.list()).get('n1')?.purpose;
  await drains.begin('n1', 'maintenance');
  await drains.begin('n1', 'upgrade');
  expect(await purpose()).toBe('maintenance');
  await drains.end('n1');
  await drains.begin('n1', 'upgrade');
  expect(await purpose()).toBe('upgrade');
  await drains.begin('n1');
  expect(await purpose()).toBe('maintenance');
});
