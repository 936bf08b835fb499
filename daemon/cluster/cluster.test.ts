import { expect, it } from 'vitest';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { Claims } from './claims.ts';
import { Cluster } from './cluster.ts';
import { memberKey, nodeKey, ownersOf, parseNode } from './records.ts';

async function createNode() {
  const time = new ManualTime();
  const store = new MemoryStore(time);
  const link: { fault: 'before' | 'after' | null } = { fault: null };
  const at = time.now().toISOString();
  const server = { machine: 'n1', boot: 'n1', address: '10.0.0.1', version: '1', started_at: at };
  const coordinator = new MemoryCoordinator(store, () => link.fault);
  const cluster = new Cluster({
    coordinator,
    cluster: 'test',
    facts: { node: 'n1', fleet: 'f', takeover: true, secrets: 's', ...server },
    controlPlane: 'global',
    leaseSeconds: 15,
    isFenced: true,
    writeEpoch: async () => {},
    stopping: new AbortController().signal,
    clock: time,
    log: silentLog,
  });
  const memory = { memory_total_bytes: 1, memory_free_bytes: 1 };
  await cluster.join({
    load: () => ({ databases: 0, running: 0, load_1m: 0, processors: 1, ...memory }),
    onLost: () => {},
    onLease: () => {},
    onLeaseOver: () => {},
    prepareCopy: async () => {},
  });
  await cluster.claimFleet(async () => {});
  const end = async () => {
    await cluster.leave('stop', new Map());
    await time.advance(1_000);
  };
  return { time, store, link, coordinator, cluster, end };
}

it('reports changes of owners that it reads with a new session', async () => {
  const { time, store, link, coordinator, cluster, end } = await createNode();
  // Its watch is late.
  coordinator.deliver = () => {};
  let notified = 0;
  cluster.share.onOwners(() => {
    notified += 1;
  });
  link.fault = 'before';
  await time.advance(20_000);
  const owner = { node: 'n2', epoch: 1, since: time.now().toISOString(), source: null };
  store.commit({ expect: [], put: [{ key: `${ownersOf('f')}a`, value: JSON.stringify(owner) }] });
  store.expire();
  link.fault = null;
  expect(notified).toBe(0);
  await time.advance(2_000);
  expect(cluster.share.elsewhere('a')).toMatchObject({ node: 'n2' });
  expect(notified).toBe(1);
  await end();
});

it('records a replica until etcd has it', async () => {
  const { store, link, cluster, end } = await createNode();
  expect(await cluster.startProblem('a')).toBeNull();
  const replica = { name: 'a', directory: '', path: 'HOST/a/e1' };
  link.fault = 'before';
  await cluster.recordReplica(replica);
  expect(cluster.ownershipOf('a')).toMatchObject({ source: null });
  link.fault = null;
  await cluster.recordReplica(replica);
  expect(cluster.ownershipOf('a')).toMatchObject({ source: 'HOST/a/e1' });
  const { revision } = store.entries.get(`${ownersOf('f')}a`) ?? {};
  await cluster.recordReplica(replica);
  expect(store.entries.get(`${ownersOf('f')}a`)?.revision).toBe(revision);
  await end();
});

it('gets no databases when it stops, and says so at once', async () => {
  const { time, store, coordinator, cluster, end } = await createNode();
  cluster.share.beginPlacing();
  const serves = () => {
    const entry = store.entries.get(nodeKey('n1'));
    return entry === undefined ? null : parseNode(entry).serves;
  };
  expect(serves()).toBe(true);
  cluster.beginStop();
  await time.advance(0);
  expect(serves()).toBe(false);

  const facts = { node: 'n2', fleet: 'f', takeover: true, secrets: 's' };
  const leader = new Claims({ coordinator, facts, clock: time });
  const ended = { node: 'n3', epoch: 1, since: time.now().toISOString(), source: 'HOST/a/e1' };
  const member = store.entries.get(memberKey('n1'))?.value ?? '';
  store.commit({
    expect: [],
    put: [
      { key: `${ownersOf('f')}a`, value: JSON.stringify(ended) },
      { key: memberKey('n3'), value: member },
    ],
  });
  expect(await leader.assign('a', 'n1')).toBe(false);
  // It leads, and does not take it over itself.
  await time.advance(3_000);
  expect(cluster.ownershipOf('a')).toBeNull();
  await end();
});

it('lets others take over the databases that have everything when it stops', async () => {
  const { time, store, coordinator, cluster } = await createNode();
  for (const name of ['a', 'b']) {
    expect(await cluster.startProblem(name)).toBeNull();
    await cluster.recordReplica({ name, directory: '', path: `HOST/${name}/e1` });
  }
  await cluster.leave('stop', new Map([['b', ['files']]]));
  await time.advance(1_000);
  const next = new Claims({
    coordinator: new MemoryCoordinator(store),
    facts: { node: 'n2', fleet: 'f', takeover: true, secrets: 's' },
    clock: time,
  });
  const member = store.entries.get(memberKey('n1'))?.value ?? '';
  store.commit({ expect: [], put: [{ key: nodeKey('n2'), value: member }] });
  expect(await next.problem('a')).toBeNull();
  expect(await next.problem('b')).toMatchObject({ code: 'owned_elsewhere' });
  coordinator.close();
});
