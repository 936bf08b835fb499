import { expect, it } from 'vitest';
import { ManualTime, settle } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { Claims } from './claims.ts';
import { OwnerReviews } from './owner-reviews.ts';
import { ownersOf } from './records.ts';

const PREFIX = ownersOf('f');

async function createStage() {
  const time = new ManualTime();
  const store = new MemoryStore(time);
  const link: { fault: 'before' | null } = { fault: null };
  const coordinator = new MemoryCoordinator(store, () => link.fault);
  const facts = { node: 'n1', fleet: 'f', takeover: false, secrets: 's' };
  const claims = new Claims({ coordinator, facts, clock: time });
  const state: { problem: Error | null } = { problem: null };
  const events: string[] = [];
  const left = new AbortController();
  const reviews = new OwnerReviews({
    facts,
    claims,
    share: {
      async noticeMoves(names, review) {
        if (state.problem !== null) throw state.problem;
        events.push(`reviews ${names.join()}`);
        await review();
      },
      notify: () => events.push('notify'),
    },
    routes: { noteOwner: () => {} },
    handovers: { isReceiving: () => false, noteRecord: () => {} },
    reportLost: (lost) => events.push(...lost.map(({ name, reason }) => `${name} ${reason.code}`)),
    mayGain: () => true,
    left: left.signal,
    clock: time,
    log: silentLog,
  });
  const put = (name: string, owner: object | string) => {
    const record = { node: 'n2', epoch: 2, since: '2026-01-15T08:30:00.000Z', source: null };
    const value = typeof owner === 'string' ? owner : JSON.stringify({ ...record, ...owner });
    store.commit({ expect: [], put: [{ key: PREFIX + name, value }] });
  };
  const note = async (...names: string[]) => {
    reviews.note(
      store.entries,
      names.map((name) => PREFIX + name),
    );
    await settle();
  };
  for (const name of ['a', 'b']) await claims.problem(name);
  return { time, claims, state, events, link, left, put, note };
}

it('reviews what failed again, with the next changes', async () => {
  const { time, claims, state, events, put, note } = await createStage();
  put('a', {});
  state.problem = new Error('etcd does not answer');
  await note('a');
  await note('b');
  expect(events).toEqual([]);
  state.problem = null;
  await time.advance(1_000);
  expect(events).toEqual(['reviews a,b', 'a owned_elsewhere']);
  expect(claims.otherOwnerOf('a')).toBe('n2');
  expect(time.sleeping).toBe(0);
});

it('reviews the others of a record that cannot be read', async () => {
  const { time, claims, events, put, note } = await createStage();
  put('a', 'no record');
  put('b', {});
  await note('a', 'b');
  expect(events).toEqual(['reviews b', 'b owned_elsewhere']);
  expect(claims.ownershipOf('a')).not.toBeNull();
  put('a', {});
  events.length = 0;
  await time.advance(1_000);
  expect(events).toEqual(['reviews a', 'a owned_elsewhere']);
});

it('reports a database as lost that another node has, after etcd did not say so', async () => {
  const { time, events, link, put, note } = await createStage();
  put('a', {});
  link.fault = 'before';
  await note('a');
  expect(events).toEqual(['reviews a', 'a cluster_unreachable']);
  link.fault = null;
  await time.advance(1_000);
  expect(events.slice(2)).toEqual(['reviews a', 'a owned_elsewhere']);
  await note('a');
  expect(events.slice(4)).toEqual(['reviews a']);
});
