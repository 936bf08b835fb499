import { beforeEach, expect, it } from 'vitest';
import { ManualTime, settle } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { nodeRecord } from '../../test/helpers/node-record.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { Claims } from './claims.ts';
import { Handovers } from './handovers.ts';
import { Refusals } from './moves/refusals.ts';
import { drainKey, nodeKey, ownersOf, parseOwner } from './records.ts';

const NAME = '2026-01-15-001-ann';
const KEY = `${ownersOf('f')}${NAME}`;
const SOURCE = `HOST/${NAME}/e1`;

let time: ManualTime;
let store: MemoryStore;

beforeEach(() => {
  time = new ManualTime();
  store = new MemoryStore(time);
});

type Fault = 'before' | 'after' | null;

/** A node that runs. It reads changes when `hear` is called. */
async function createNode(node: string, receive: () => Promise<void> = async () => {}) {
  /** `calls`: how each next call fails. `lasting`: how all others do. */
  const link: { calls: Fault[]; lasting: Fault } = { calls: [], lasting: null };
  const coordinator = new MemoryCoordinator(store, () => link.calls.shift() ?? link.lasting);
  const facts = { node, fleet: 'f', takeover: true, secrets: 's' };
  const session = await coordinator.openSession(1_000);
  const value = JSON.stringify(nodeRecord(node, time.now()));
  await coordinator.commit({ expect: [], put: [{ key: nodeKey(node), value, session }] });
  const claims = new Claims({ coordinator, facts, clock: time });
  const events: string[] = [];
  const state: { serves: boolean; unled: string | null; note: (bytes: number) => void } = {
    serves: true,
    unled: null,
    note: () => {},
  };
  const left = new AbortController();
  const refusals = new Refusals(time);
  const handovers = new Handovers({
    coordinator,
    facts,
    claims,
    serves: () => state.serves,
    controlPlaneProblem: async () => state.unled,
    refusals,
    async receiveCopy({ source, sha256 }, { signal, note, accept }) {
      state.note = note;
      events.push(`restore ${source} ${sha256}`);
      const ended = new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('it was ended')));
      });
      await Promise.race([receive(), ended]);
      const epoch = await accept();
      if (epoch !== null) events.push(`epoch ${epoch}`);
    },
    onReceived: () => events.push('received'),
    left: left.signal,
    clock: time,
    log: silentLog,
  });
  const hear = async () => {
    const entry = await coordinator.get(KEY);
    if (entry !== null) handovers.noteRecord(entry);
    await settle();
  };
  /** What the watch of the owners does. @returns the databases that are reported as lost */
  const review = async () => (await claims.review(store.entries, [KEY])).map(({ name }) => name);
  const end = () => coordinator.closeSession(session);
  const publish = async (receiving = handovers.receiving) => {
    const record = JSON.stringify(nodeRecord(node, time.now(), { receiving }));
    await coordinator.commit({ expect: [], put: [{ key: nodeKey(node), value: record, session }] });
  };
  return { claims, handovers, events, hear, review, link, state, left, coordinator, end, publish, refusals };
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

/** An offer of which the other node knows. */
async function createOffer(receive?: () => Promise<void>) {
  const one = await createOwner();
  const two = await createNode('n2', receive);
  const moved = one.result();
  await settle();
  await two.hear();
  return { one, two, moved };
}

it('gives a database to a node that has the same bytes', async () => {
  const { two, moved } = await createOffer();
  await time.advance(1_000);
  expect(await moved).toBe('moved');
  expect(two.events).toEqual([`restore ${SOURCE} abc`, 'epoch 2', 'received']);
  expect(ownerNow()).toMatchObject({ node: 'n2', epoch: 2, source: SOURCE });
  expect(ownerNow().handover).toBeUndefined();
  expect(two.claims.ownershipOf(NAME)).toMatchObject({ epoch: 2 });
});

it('keeps it when the other node refuses it, ends, or does not answer', async () => {
  const { one, two, moved: refused } = await createOffer(() => Promise.reject(new Error('it differs')));
  await time.advance(1_000);
  expect(await refused).toContain('node n2 refused it: it differs');

  const late = one.result();
  await time.advance(300_000);
  expect(await late).toContain('no progress');

  const offline = one.result();
  await settle();
  await two.end();
  await time.advance(1_000);
  expect(await offline).toContain('went offline');
  expect(ownerNow()).toMatchObject({ node: 'n1', epoch: 1 });
  expect(ownerNow().handover).toBeUndefined();
});

it('does not give it to a node that answers after it was withdrawn', async () => {
  const restored = Promise.withResolvers<void>();
  const { one, two, moved: result } = await createOffer(() => restored.promise);
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
  await one.coordinator.commit({ expect: [], put: [{ key: drainKey('n2'), value: '{}' }] });
  await expect(one.handovers.requireTarget('n2')).rejects.toMatchObject({ code: 'conflict' });
  const other = { name: NAME, to: 'n2', sha256: 'abc', source: 'HOST/other' };
  expect([one.handovers.sourceOf(NAME), one.handovers.sourceOf('other')]).toEqual([SOURCE, null]);
  await expect(one.handovers.handOver(other, one.stop.signal)).rejects.toMatchObject({ code: 'conflict' });
});

it('asks before it starts a database whose withdrawal failed', async () => {
  const one = await createOwner();
  const two = await createNode('n2');
  const moved = one.result();
  await settle();
  one.link.lasting = 'before';
  await time.advance(1_000);
  expect(await moved).toBe('cut off');
  expect(await one.claims.problem(NAME)).toMatchObject({ code: 'cluster_unreachable' });
  one.link.lasting = null;
  await two.hear();
  expect(ownerNow()).toMatchObject({ node: 'n2', epoch: 2 });
  expect(await one.claims.problem(NAME)).toMatchObject({ code: 'owned_elsewhere' });
});

it('withdraws an offer whose answer was lost', async () => {
  const one = await createOwner();
  const two = await createNode('n2', () => new Promise(() => {}));
  one.link.calls = [null, 'after'];
  expect(await one.result()).toBe('the answer was lost');
  expect(ownerNow().handover).toBeUndefined();

  // The answer to the withdrawal is lost, too.
  one.link.calls = [null, 'after', 'before'];
  expect(await one.result()).toBe('cut off');
  await two.hear();
  expect(ownerNow().handover).toBeDefined();
  expect(await one.claims.problem(NAME)).toBeNull();
  expect(ownerNow()).toMatchObject({ node: 'n1', epoch: 1 });
  expect(ownerNow().handover).toBeUndefined();
});

it('refuses an offer that etcd makes after this node started the database again', async () => {
  const one = await createOwner();
  const late = { expect: [{ key: KEY, revision: store.entries.get(KEY)?.revision ?? 0 }], put: [] };
  one.link.calls = [null, 'before', 'before'];
  expect(await one.result()).toBe('cut off');
  expect(await one.claims.problem(NAME)).toBeNull();
  expect(store.commit(late)).toBe(false);
});

it('does not start what it has given away, before its watch says so', async () => {
  const { one, moved } = await createOffer();
  await time.advance(1_000);
  expect(await moved).toBe('moved');
  expect(await one.claims.problem(NAME)).toMatchObject({ code: 'owned_elsewhere' });
  expect(await one.review()).toEqual([]);
  expect(one.claims.otherOwnerOf(NAME)).toBe('n2');
});

it('has a database whose acceptance got no answer', async () => {
  const one = await createOwner();
  const two = await createNode('n2');
  const moved = one.result();
  await settle();
  two.link.calls = [null, null, 'after', 'before'];
  await two.hear();
  expect(ownerNow()).toMatchObject({ node: 'n2', epoch: 2 });
  expect(two.claims.ownershipOf(NAME)).toBeNull();
  await time.advance(3_000);
  expect(await moved).toBe('moved');
  expect(two.events).toEqual([`restore ${SOURCE} abc`, 'epoch 2', 'received']);
  expect(two.claims.ownershipOf(NAME)).toMatchObject({ epoch: 2 });
});

it('takes what was offered before it served', async () => {
  const one = await createOwner();
  const two = await createNode('n2');
  two.state.serves = false;
  const moved = one.result();
  await settle();
  await two.hear();
  expect(two.events).toEqual([]);
  two.state.serves = true;
  const kept = two.handovers.keep();
  await time.advance(1_000);
  expect(await moved).toBe('moved');
  two.left.abort();
  await kept;
});

it('ends what it receives when it leaves, and says so', async () => {
  const one = await createOwner();
  const two = await createNode('n2', () => new Promise(() => {}));
  const kept = two.handovers.keep();
  const moved = one.result();
  await settle();
  await two.hear();
  two.left.abort();
  await kept;
  expect(ownerNow().handover?.refused).toBe('its daemon ends');
  await time.advance(1_000);
  expect(await moved).toContain('node n2 refused it: its daemon ends');
});

it('does not regard what the leader gave it meanwhile as what it has accepted', async () => {
  const restored = Promise.withResolvers<void>();
  const { one, two } = await createOffer(() => restored.promise);
  const { handover: _, ...owner } = ownerNow();
  const given = { ...owner, node: 'n2', epoch: 2, since: '2020-01-01T00:00:00.000Z' };
  store.commit({ expect: [], put: [{ key: KEY, value: JSON.stringify(given) }] });
  restored.resolve();
  await settle();
  // Its files are not those of the new owner yet.
  expect(two.events).not.toContain('epoch 2');
  one.stop.abort();
  await time.advance(1_000);
});

it('has what the leader gave it while it was received, also when etcd does not answer at once', async () => {
  const one = await createOwner();
  const restored = Promise.withResolvers<void>();
  const two = await createNode('n2', () => restored.promise);
  const kept = two.handovers.keep();
  void one.result();
  await settle();
  await two.hear();
  const { handover: _, ...owner } = ownerNow();
  const given = { ...owner, node: 'n2', epoch: 2, since: '2020-01-01T00:00:00.000Z' };
  store.commit({ expect: [], put: [{ key: KEY, value: JSON.stringify(given) }] });
  two.link.lasting = 'before';
  restored.reject(new Error('it differs'));
  await settle();
  expect(two.claims.ownershipOf(NAME)).toBeNull();
  two.link.lasting = null;
  await time.advance(1_000);
  expect(two.claims.ownershipOf(NAME)).toMatchObject({ epoch: 2 });
  expect(two.events).toEqual([`restore ${SOURCE} abc`, 'received']);
  one.stop.abort();
  two.left.abort();
  await time.advance(1_000);
  await kept;
});

it('waits for a node that makes progress, longer than for one that does not', async () => {
  const restored = Promise.withResolvers<void>();
  const { two, moved } = await createOffer(() => restored.promise);
  for (let minute = 1; minute <= 15; minute += 1) {
    two.state.note(minute * 1e9);
    await two.publish();
    await time.advance(60_000);
  }
  expect(ownerNow()).toMatchObject({ node: 'n1', handover: { to: 'n2' } });
  expect(two.handovers.receiving).toEqual([{ name: NAME, bytes: 15e9 }]);
  restored.resolve();
  await time.advance(1_000);
  expect(await moved).toBe('moved');
  expect(two.handovers.receiving).toEqual([]);
});

it('waits for a node that restores others first, as long as these make progress', async () => {
  const { two, moved } = await createOffer(() => new Promise(() => {}));
  for (let minute = 1; minute <= 10; minute += 1) {
    await two.publish([{ name: '2026-01-15-002-bob', bytes: minute * 1e9 }]);
    await time.advance(60_000);
  }
  expect(ownerNow()).toMatchObject({ node: 'n1', handover: { to: 'n2' } });
  // It has begun, and hangs.
  for (let minute = 11; minute <= 14; minute += 1) {
    await two.publish([
      { name: '2026-01-15-002-bob', bytes: minute * 1e9 },
      { name: NAME, bytes: 0 },
    ]);
    await time.advance(60_000);
  }
  expect(await moved).toContain('node n2 made no progress for 3 minutes');
});

it('withdraws the offer to a node whose progress ends', async () => {
  const { one, two, moved } = await createOffer(() => new Promise(() => {}));
  for (let minute = 1; minute <= 10; minute += 1) {
    two.state.note(minute * 1e9);
    await two.publish();
    await time.advance(60_000);
  }
  await time.advance(181_000);
  expect(await moved).toContain('node n2 made no progress for 3 minutes');
  expect(ownerNow().handover).toBeUndefined();
  expect([...one.refusals.of(NAME)]).toEqual([['n2', 'made no progress for 3 minutes']]);
  const three = await createNode('n2');
  const again = one.result();
  await settle();
  await three.hear();
  await time.advance(1_000);
  expect(await again).toBe('moved');
  expect(one.refusals.of(NAME).size).toBe(0);
});

it('takes nothing without a control plane, also when that is lost meanwhile', async () => {
  const one = await createOwner();
  const restored = Promise.withResolvers<void>();
  const two = await createNode('n2', () => restored.promise);
  two.state.unled = 'no control plane';
  const first = one.result();
  await settle();
  await two.hear();
  expect(two.events).toEqual([]);
  await time.advance(1_000);
  expect(await first).toContain('node n2 refused it: no control plane');

  two.state.unled = null;
  const second = one.result();
  await settle();
  await two.hear();
  expect(two.events).toEqual([`restore ${SOURCE} abc`]);
  two.state.unled = 'no control plane';
  restored.resolve();
  await settle();
  await time.advance(1_000);
  expect(await second).toContain('node n2 refused it: no control plane');
  expect(ownerNow()).toMatchObject({ node: 'n1', epoch: 1 });
});

it('offers nothing while it cannot use a control plane', async () => {
  const one = await createOwner();
  await createNode('n2');
  one.state.unled = 'no control plane';
  await expect(one.handovers.requireTarget('n2')).rejects.toMatchObject({ code: 'conflict' });
});
