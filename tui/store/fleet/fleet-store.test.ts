import { expect, it } from 'vitest';
import { instance, usage } from '../../../test/console/fleet-fixtures.ts';
import { ManualClock } from '../../../test/console/manual-clock.ts';
import { FleetStore } from './fleet-store.ts';

function storeWith(...names: string[]) {
  const clock = new ManualClock();
  const store = new FleetStore(clock);
  const data = names.map((name) => instance(name));
  store.dispatch({
    kind: 'snapshot',
    now: clock.now(),
    frame: { type: 'snapshot', topic: 'instances', seq: 0, data },
  });
  let notified = 0;
  store.subscribe(() => {
    notified += 1;
  });
  return { clock, store, count: () => notified };
}

it('notifies at most ten times a second and loses no event', () => {
  const { clock, store, count } = storeWith('a');
  for (let event = 1; event <= 900; event += 1) {
    store.enqueue({ kind: 'instance.changed', name: 'a', instance: instance('a', { restarts: event }) });
    clock.advance(1);
  }
  clock.advance(99);
  expect(count()).toBeLessThanOrEqual(10);
  expect(count()).toBeGreaterThanOrEqual(9);
  expect(store.get().instances.get('a')?.restarts).toBe(900);
});

it('applies measurements with the next second or with another event', () => {
  const { clock, store, count } = storeWith('a');
  const pss = () => store.get().instances.get('a')?.usage?.pss_bytes;
  store.enqueue({ kind: 'instance.usage', name: 'a', usage: usage(1, 0) });
  clock.advance(999);
  expect(count()).toBe(0);
  clock.advance(1);
  expect(pss()).toBe(1);
  store.enqueue({ kind: 'instance.usage', name: 'a', usage: usage(2, 0) });
  store.enqueue({ kind: 'instance.removed', name: 'b' });
  clock.advance(100);
  expect(pss()).toBe(2);
});

it('applies later changes together with the next change, in order', () => {
  const { clock, store, count } = storeWith('a');
  for (const message of ['first', 'second'])
    store.dispatchLater({ kind: 'topic.refused', topic: 'queue', message });
  clock.advance(999);
  expect(count()).toBe(0);
  clock.advance(1);
  expect(count()).toBe(1);
  expect(store.get().refusals).toEqual({ queue: 'second' });
});

it('applies a single event immediately', () => {
  const { clock, store, count } = storeWith('a');
  store.enqueue({ kind: 'instance.removed', name: 'a' });
  clock.advance(0);
  expect(count()).toBe(1);
});

it('applies pending events before a change', () => {
  const { clock, store } = storeWith('a');
  store.enqueue({ kind: 'instance.added', instance: instance('b') });
  store.dispatch({
    kind: 'snapshot',
    now: clock.now(),
    frame: { type: 'snapshot', topic: 'instances', seq: 5, data: [instance('c')] },
  });
  clock.advance(100);
  expect([...store.get().instances.keys()]).toEqual(['c']);
});

it('updates the time once a second until it is closed', () => {
  const { clock, store, count } = storeWith();
  clock.advance(3_000);
  expect(count()).toBe(3);
  expect(store.get().now).toBe(clock.now());
  store.close();
  clock.advance(3_000);
  expect(count()).toBe(3);
});
