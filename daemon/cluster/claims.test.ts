import { expect, it } from 'vitest';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { nodeRecord } from '../../test/helpers/node-record.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { type Clock, systemClock } from '../base/time/clock.ts';
import { Claims } from './claims.ts';
import { keepLacking } from './moves/owned-records.ts';
import { removeNode } from './moves/remove-node.ts';
import { drainKey, type Lack, memberKey, nodeKey, ownersOf, parseOwner } from './records.ts';

/** Its waits end at once. */
const QUICK: Clock = { ...systemClock, sleep: async () => {} };

function createStage() {
  const clock = new ManualTime();
  const store = new MemoryStore(clock);
  const fault: { next: 'before' | 'after' | null; lasting: 'before' | null } = { next: null, lasting: null };
  const coordinator = new MemoryCoordinator(store, () => {
    const next = fault.next ?? fault.lasting;
    fault.next = null;
    return next;
  });
  const claimsOf = (node: string, fleet = 'f', change: { takeover?: boolean; secrets?: string } = {}) =>
    new Claims({ coordinator, facts: { node, fleet, takeover: true, secrets: 's', ...change }, clock });
  const owners = () =>
    Object.fromEntries(
      [...store.entries.values()]
        .filter(({ key }) => key.startsWith(ownersOf('f')))
        .map((entry) => [entry.key.slice(ownersOf('f').length), parseOwner(entry)]),
    );
  const remove = (node: string) => removeNode(node, { coordinator, clock, last: 'global' });
  return { store, coordinator, fault, claimsOf, owners, remove };
}

it('gives a database to the first node, and other fleets their own of that name', async () => {
  const { claimsOf, owners } = createStage();
  expect(await claimsOf('n1').problem('a')).toBeNull();
  expect(await claimsOf('n1').problem('a')).toBeNull();
  expect(await claimsOf('n2').problem('a')).toMatchObject({
    code: 'owned_elsewhere',
    message: expect.stringContaining("'fathomd nodes remove n1'") as string,
  });
  expect(await claimsOf('n2', 'g').problem('a')).toBeNull();
  expect(owners()).toMatchObject({ a: { node: 'n1', epoch: 1 } });
});

it('counts the databases of each node, without the control plane', async () => {
  const { claimsOf } = createStage();
  for (const name of ['global', 'a', 'b']) await claimsOf('n1').problem(name);
  const claims = claimsOf('n2');
  await claims.load();
  await claims.problem('c');
  expect(claims.counts('global')).toEqual(new Map(Object.entries({ n1: 2, n2: 1 })));
});

it('refuses what it does not know while the store does not answer, and starts what it knows', async () => {
  const { claimsOf, fault } = createStage();
  const claims = claimsOf('n1');
  fault.next = 'before';
  expect(await claims.problem('a')).toMatchObject({ code: 'cluster_unreachable' });
  expect(await claims.problem('a')).toBeNull();
  fault.next = 'before';
  expect(await claims.problem('a')).toBeNull();
  expect(fault.next).toBe('before');
});

it('frees the databases of a node that is off, and gives the next owner a greater epoch', async () => {
  const { store, claimsOf, owners, remove } = createStage();
  const claims = claimsOf('n1');
  const names = ['global', ...Array.from({ length: 120 }, (_, n) => `d${n}`)];
  for (const name of names) await claims.problem(name);
  const session = store.open(15);
  store.commit({ expect: [], put: [{ key: nodeKey('n1'), value: '', session }] });
  await expect(remove('n1')).rejects.toMatchObject({ code: 'conflict' });
  store.end(session);
  expect(await remove('n1')).toBe(121);
  expect(owners()['d5']).toMatchObject({ node: null, epoch: 1 });
  expect(await claimsOf('n2').problem('d5')).toBeNull();
  expect(owners()['d5']).toMatchObject({ node: 'n2', epoch: 2 });
  const view = store.entries;
  const lost = await claims.review(view, view.keys());
  expect(lost.map(({ name }) => name)).toEqual(['d5']);
  expect(owners()['d6']).toMatchObject({ node: 'n1', epoch: 2 });
});

it('forgets deleted databases, and none that another node has now', async () => {
  const { claimsOf, owners, remove } = createStage();
  const claims = claimsOf('n1');
  for (const name of ['a', 'b', 'c']) await claims.problem(name);
  await claims.prune(['b']);
  expect(Object.keys(owners())).toEqual(['a', 'c']);
  await remove('n1');
  await claimsOf('n2').problem('c');
  await claims.prune(['a', 'b', 'c']);
  expect(owners()).toMatchObject({ a: { node: null }, c: { node: 'n2' } });
});

it('keeps what it gained after it was read which databases exist', async () => {
  const { claimsOf, owners } = createStage();
  const claims = claimsOf('n1');
  await claims.problem('deleted');
  const before = claims.ownedNames();
  await claims.problem('gained');
  await claims.prune(before);
  expect(Object.keys(owners())).toEqual(['gained']);
});

it('takes over what has ended and has a replica, with the same secrets', async () => {
  const { store, claimsOf, owners } = createStage();
  const record = nodeRecord('n1', new Date(Date.UTC(2026, 0, 15)));
  const value = JSON.stringify(record);
  const session = store.open(15);
  store.commit({
    expect: [],
    put: [
      { key: nodeKey('n1'), value, session },
      { key: memberKey('n1'), value },
    ],
  });
  const claims = claimsOf('n1');
  for (const name of ['a', 'b']) await claims.problem(name);
  expect(await claims.recordSource('a', 'HOST/a/e1')).toBe(true);
  const message = async (change = {}, name = 'a') =>
    (await claimsOf('n2', 'f', change).problem(name))?.message;
  expect(await message()).toContain('takes it over when the lease of n1 has ended');
  store.end(session);
  expect(await message({ secrets: 'other' })).toContain('its secrets are not those of n1');
  expect(await message({ takeover: false })).toContain("'fathomd nodes remove n1'");
  expect(await message({}, 'b')).toContain("'fathomd nodes remove n1'");
  expect(await message()).toContain('the session of this node has ended');
  const second = store.open(15);
  store.commit({
    expect: [],
    put: [
      { key: nodeKey('n2'), value, session: second },
      { key: memberKey('n2'), value },
    ],
  });
  expect(await message()).toBeUndefined();
  expect(owners()).toMatchObject({ a: { node: 'n2', epoch: 2, source: 'HOST/a/e1' }, b: { node: 'n1' } });
  expect(await claims.recordSource('a', 'HOST/a/e1')).toBe(false);
  expect((await claims.load()).map(({ name }) => name)).toEqual(['a']);
  store.end(second);
  expect(await claims.problem('a')).toMatchObject({ code: 'cluster_unreachable' });
});

it('frees what others can restore', async () => {
  const { claimsOf, owners } = createStage();
  const claims = claimsOf('n1');
  for (const name of ['a', 'b']) await claims.problem(name);
  await claims.recordSource('a', 'HOST/a/e1');
  await claims.freeReplicated();
  expect(owners()).toMatchObject({ a: { node: null, source: 'HOST/a/e1' }, b: { node: 'n1' } });
});

it('gives a node that is drained nothing but what is new, and what it has', async () => {
  const { store, coordinator, claimsOf, owners, remove } = createStage();
  await claimsOf('n1').problem('a');
  const claims = claimsOf('n2');
  await claims.problem('own');
  await coordinator.commit({ expect: [], put: [{ key: drainKey('n2'), value: '{}' }] });
  await remove('n1');
  expect(await claims.problem('a')).toMatchObject({
    code: 'owned_elsewhere',
    message: expect.stringContaining("'fathomd nodes undrain n2'") as string,
  });
  expect(await claims.problem('own')).toBeNull();
  expect(await claimsOf('n2').problem('own')).toBeNull();
  expect(await claims.problem('new')).toBeNull();
  expect(owners()).toMatchObject({ a: { node: null }, own: { node: 'n2' }, new: { node: 'n2' } });
  await remove('n2');
  expect(store.entries.has(drainKey('n2'))).toBe(false);
  expect(await claims.problem('a')).toBeNull();
});

it('takes over nothing when it is drained while it claims', async () => {
  const { store, claimsOf, owners, remove } = createStage();
  await claimsOf('n1').problem('a');
  await remove('n1');
  const commit = store.commit.bind(store);
  let isFirst = true;
  store.commit = (change) => {
    if (isFirst) commit({ expect: [], put: [{ key: drainKey('n2'), value: '{}' }] });
    isFirst = false;
    return commit(change);
  };
  expect(await claimsOf('n2').problem('a')).toMatchObject({ code: 'owned_elsewhere' });
  expect(owners()).toMatchObject({ a: { node: null } });
});

it('knows that a replica is recorded when the answer was lost', async () => {
  const { coordinator, claimsOf, fault, owners } = createStage();
  const claims = claimsOf('n1');
  await claims.problem('a');
  const commit = coordinator.commit.bind(coordinator);
  coordinator.commit = (change) => {
    fault.next = 'after';
    return commit(change);
  };
  await expect(claims.recordSource('a', 'HOST/a/e1')).rejects.toThrow('the answer was lost');
  expect(owners()).toMatchObject({ a: { source: 'HOST/a/e1' } });
  expect(claims.ownershipOf('a')?.source).toBeNull();
  expect(await claims.recordSource('a', 'HOST/a/e1')).toBe(true);
  expect(claims.ownershipOf('a')?.source).toBe('HOST/a/e1');
});

it('keeps a database whose replica lacks something with its node, until that has stored it or is removed', async () => {
  const { store, coordinator, claimsOf, owners, remove } = createStage();
  const one = claimsOf('n1');
  const names = ['a', 'b', 'c'];
  for (const name of names) {
    await one.problem(name);
    await one.recordSource(name, `HOST/${name}/e1`);
  }
  store.commit({
    expect: [],
    put: [
      { key: memberKey('n1'), value: JSON.stringify(nodeRecord('n1', new Date())) },
      { key: nodeKey('n2'), value: JSON.stringify(nodeRecord('n2', new Date())) },
    ],
  });
  const lacking = new Map<string, Lack[]>([
    ['a', ['changes', 'files']],
    ['b', ['files']],
    ['d', ['files']],
  ]);
  const facts = { node: 'n1', fleet: 'f' };
  expect(await keepLacking(lacking, { coordinator, facts, clock: QUICK, log: silentLog })).toBe(true);
  const two = claimsOf('n2');
  expect(await two.problem('c')).toBeNull();
  for (const name of ['a', 'b']) {
    expect(await two.problem(name)).toMatchObject({
      code: 'owned_elsewhere',
      message: expect.stringContaining('nodes remove n1') as string,
    });
    expect(await two.assign(name, 'n2')).toBe(false);
  }

  // It comes back.
  const again = claimsOf('n1');
  await again.load();
  await again.freeReplicated();
  expect(owners()).toMatchObject({ a: { node: 'n1' }, b: { node: 'n1' } });
  await again.load();
  expect(await again.recordSource('a', 'HOST/a/e1')).toBe(true);
  expect(owners()['a']).toMatchObject({ lacks: ['files'] });
  expect(await again.recordSource('a', 'HOST/a/e1', 'files')).toBe(true);
  expect(owners()['a']?.lacks).toBeUndefined();
  expect(await two.problem('a')).toBeNull();
  expect(await remove('n1')).toBe(1);
  expect(owners()['b']).toMatchObject({ node: null, source: 'HOST/b/e1' });
  expect(owners()['b']?.lacks).toBeUndefined();
  expect(await two.problem('b')).toBeNull();
});

it('says that it is not known which databases have everything, and when etcd does not have it', async () => {
  const { coordinator, claimsOf, fault } = createStage();
  const facts = { node: 'n1', fleet: 'f' };
  const deps = { coordinator, facts, clock: QUICK, log: silentLog };
  await claimsOf('n1').problem('a');
  expect(await keepLacking(null, deps)).toBe(false);
  expect(await keepLacking(new Map(), deps)).toBe(true);
  // etcd chooses a leader.
  fault.next = 'before';
  expect(await keepLacking(new Map([['a', ['changes']]]), deps)).toBe(true);
  fault.lasting = 'before';
  expect(await keepLacking(new Map([['a', ['files']]]), deps)).toBe(false);
});
