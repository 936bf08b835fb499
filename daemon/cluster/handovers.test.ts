import { beforeEach, expect, it } from 'vitest';
import { ManualTime, settle } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { Claims } from './claims.ts';
import { Handovers } from './handovers.ts';
import { nodeKey, ownersOf, parseOwner } from './records.ts';

const NAME = '2026-01-15-001-ann';
const KEY = `${ownersOf('f')}${NAME}`;
const SOURCE = `HOST/${NAME}/e1`;

let time: ManualTime;
let store: MemoryStore;

beforeEach(() => {
  time = new ManualTime();
  store = new MemoryStore(time);
});

/** A node that runs. It reads changes when `hear` is called. */
async function createNode(node: string, receive: () => Promise<void> = async () => {}) {
  const coordinator = new MemoryCoordinator(store, () => null);
  const facts = { node, fleet: 'f', takeover: true, secrets: 's' };
  const now = time.now().toISOString();
  const machine = { machine: node, boot: node, address: '10.0.0.1', version: '1', started_at: now, at: now };
  const load = { databases: 0, running: 0, load_1m: 0, processors: 1 };
  const memory = { memory_total_bytes: 1, memory_free_bytes: 1 };
  const session = await coordinator.openSession(1_000);
  const value = JSON.stringify({ ...facts, ...machine, ...load, ...memory, serves: true });
  await coordinator.commit({ expect: [], put: [{ key: nodeKey(node), value, session }] });
  const claims = new Claims({ coordinator, facts, clock: time });
  const events: string[] = [];
  const handovers = new Handovers({
    coordinator,
    facts,
    claims,
    serves: () => true,
    async receiveCopy({ source, sha256 }) {
      events.push(`restore ${source} ${sha256}`);
      await receive();
    },
    noteReceived: async (_name, epoch) => void events.push(`epoch ${epoch}`),
    onReceived: () => events.push('received'),
    clock: time,
    log: silentLog,
  });
  const hear = async () => {
    const entry = await coordinator.get(KEY);
    if (entry !== null) handovers.noteRecord(entry);
    await settle();
  };
  return { claims, handovers, events, hear, coordinator, end: () => coordinator.closeSession(session) };
}

function ownerNow() {
  const entry = store.entries.get(KEY);
  if (entry === undefined) throw new Error('no record');
  return parseOwner(entry);
}

async function createOwner() {
  const one = await createNode('n1');
  expect(await one.claims.problem(NAME)).toBeNull();
  await one.claims.recordSource(NAME, SOURCE);
  const stop = new AbortController();
  const offer = { name: NAME, to: 'n2', sha256: 'abc', source: SOURCE };
  const result = () =>
    one.handovers.handOver(offer, stop.signal).then(
      () => 'moved',
      (error: Error) => error.message,
    );
  return { ...one, stop, result };
}

it('gives a database to a node that has the same bytes', async () => {
  const one = await createOwner();
  const two = await createNode('n2');
  const moved = one.result();
  await settle();
  expect(one.handovers.isOffered(NAME)).toBe(true);
  await two.hear();
  await time.advance(1_000);
  expect(await moved).toBe('moved');
  expect(two.events).toEqual([`restore ${SOURCE} abc`, 'epoch 2', 'received']);
  expect(ownerNow()).toMatchObject({ node: 'n2', epoch: 2, source: SOURCE });
  expect(ownerNow().handover).toBeUndefined();
  expect(two.claims.ownershipOf(NAME)).toMatchObject({ epoch: 2 });
});

it('keeps it when the other node refuses it, ends, or does not answer', async () => {
  const one = await createOwner();
  const two = await createNode('n2', () => Promise.reject(new Error('it differs')));
  const refused = one.result();
  await settle();
  await two.hear();
  await time.advance(1_000);
  expect(await refused).toContain('node n2 refused it: it differs');

  const late = one.result();
  await time.advance(300_000);
  expect(await late).toContain('in time');

  const offline = one.result();
  await settle();
  await two.end();
  await time.advance(1_000);
  expect(await offline).toContain('went offline');
  expect(ownerNow()).toMatchObject({ node: 'n1', epoch: 1 });
  expect(ownerNow().handover).toBeUndefined();
});

it('does not give it to a node that answers after it was withdrawn', async () => {
  const one = await createOwner();
  const restored = Promise.withResolvers<void>();
  const two = await createNode('n2', () => restored.promise);
  const result = one.result();
  await settle();
  await two.hear();
  one.stop.abort();
  await time.advance(1_000);
  expect(await result).toContain('the move was ended');
  restored.resolve();
  await settle();
  expect(ownerNow()).toMatchObject({ node: 'n1', epoch: 1 });
  expect(two.events).toEqual([`restore ${SOURCE} abc`]);
});

it('does not start what an earlier daemon has offered, until it is withdrawn', async () => {
  const one = await createOwner();
  void one.result();
  await settle();
  const again = new Claims({
    coordinator: one.coordinator,
    facts: { node: 'n1', fleet: 'f', takeover: true, secrets: 's' },
    clock: time,
  });
  await again.load();
  expect(again.ownershipOf(NAME)?.handover).toBeDefined();
  expect(await again.problem(NAME)).toBeNull();
  expect(ownerNow().handover).toBeUndefined();
  one.stop.abort();
  await time.advance(1_000);
});

it('offers nothing to nodes that cannot take it', async () => {
  const one = await createOwner();
  await expect(one.handovers.requireTarget('n1')).rejects.toMatchObject({ code: 'conflict' });
  await expect(one.handovers.requireTarget('n2')).rejects.toMatchObject({ code: 'not_found' });
  await createNode('n2');
  await one.handovers.requireTarget('n2');
  const other = { name: NAME, to: 'n2', sha256: 'abc', source: 'HOST/other' };
  await expect(one.handovers.handOver(other, one.stop.signal)).rejects.toMatchObject({ code: 'conflict' });
});
