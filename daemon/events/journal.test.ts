import { expect, it } from 'vitest';
import { JOURNAL_KEPT, JOURNAL_KEPT_PER_INSTANCE } from '../../shared/api/events.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { EventBus } from './bus.ts';
import { Journal } from './journal.ts';

function journal() {
  const bus = new EventBus((error) => {
    throw error;
  });
  const kept = new Journal(bus, new ManualTime());
  const add = (name: string, count: number) => {
    for (let index = 0; index < count; index += 1) bus.publish({ kind: 'instance.removed', name });
  };
  const countOf = (name: string) => kept.listEntries((entry) => entry.name === name).length;
  const addInstance = (name: string) => {
    const instance = { name, phase: 'stopped' } as Instance;
    bus.publish({ kind: 'instance.added', instance });
  };
  return { kept, add, addInstance, countOf, all: () => kept.listEntries(() => true).length };
}

it('keeps the events of an instance when another one has a flood of them', () => {
  const { add, countOf, all } = journal();
  add('quiet', 3);
  add('noisy', 4_500);
  expect(countOf('quiet')).toBe(3);
  expect(countOf('noisy')).toBe(JOURNAL_KEPT_PER_INSTANCE);
  expect(all()).toBe(JOURNAL_KEPT_PER_INSTANCE + 3);
});

it('keeps the events of quiet instances when many others have a flood of them', () => {
  const { add, countOf, all } = journal();
  add('quiet', 50);
  for (let round = 0; round < 3; round += 1) {
    for (let instance = 0; instance < 50; instance += 1) add(`noisy-${instance}`, 200);
  }
  expect(countOf('quiet')).toBe(50);
  expect(all()).toBe(JOURNAL_KEPT);
});

it('records databases that were created since the start, not those that the start adds', () => {
  const { kept, addInstance, countOf } = journal();
  addInstance('old');
  kept.noteLoaded();
  addInstance('new');
  expect(countOf('old')).toBe(0);
  expect(countOf('new')).toBe(1);
});
