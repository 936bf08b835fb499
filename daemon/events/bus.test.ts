import { expect, it } from 'vitest';
import type { FleetEvent } from '../../shared/events.ts';
import { EventBus } from './bus.ts';

const removed = (name: string): FleetEvent => ({ kind: 'instance.removed', name });

it('sends each event to every listener in order until it unsubscribes', () => {
  const bus = new EventBus(() => {});
  const heard: string[] = [];
  const stop = bus.subscribe((event) => heard.push(`a ${event.kind}`));
  bus.subscribe((event) => heard.push(`b ${event.kind}`));
  bus.publish(removed('x'));
  stop();
  stop();
  bus.publish(removed('y'));
  expect(heard).toEqual(['a instance.removed', 'b instance.removed', 'b instance.removed']);
});

it('reports an error of a listener and calls the others', () => {
  const faults: unknown[] = [];
  const bus = new EventBus((error) => faults.push(error));
  const fault = new Error('mine');
  let heard = 0;
  bus.subscribe(() => {
    throw fault;
  });
  bus.subscribe(() => {
    heard += 1;
  });
  bus.publish(removed('x'));
  expect([heard, faults]).toEqual([1, [fault]]);
});

it('loses and repeats no event for a reader that reads a snapshot and subscribes in one turn', async () => {
  const bus = new EventBus(() => {});
  const state: string[] = [];
  bus.subscribe((event) => {
    if (event.kind === 'instance.removed') state.push(event.name);
  });
  const publisher = (async () => {
    for (let index = 0; index < 200; index += 1) {
      bus.publish(removed(String(index)));
      if (index % 7 === 0) await Promise.resolve();
    }
  })();
  const readers = Array.from({ length: 5 }, async (_, index) => {
    for (let turn = 0; turn < index * 3; turn += 1) await Promise.resolve();
    const seen = [...state];
    bus.subscribe((event) => {
      if (event.kind === 'instance.removed') seen.push(event.name);
    });
    return seen;
  });
  const seen = await Promise.all(readers);
  await publisher;
  for (const names of seen) expect(names).toEqual(Array.from({ length: 200 }, (_, index) => String(index)));
});
