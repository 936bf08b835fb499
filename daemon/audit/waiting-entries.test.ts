import { expect, it } from 'vitest';
import { WaitingEntries } from './waiting-entries.ts';

interface Entry {
  source: string;
  number: number;
}

it('keeps the order, and drops the oldest entry of the source with the most', () => {
  const entries = new WaitingEntries<Entry>(6, ({ source }) => source);
  const add = (source: string, number: number) => entries.add({ source, number });
  expect([add('quiet', 1), add('loud', 2), add('loud', 3), add('loud', 4), add('other', 5)]).toEqual(
    Array(5).fill(null),
  );
  expect(add('loud', 6)).toBeNull();
  expect(add('loud', 7)).toEqual({ source: 'loud', number: 2 });
  expect(add('quiet', 8)).toEqual({ source: 'loud', number: 3 });
  expect(entries.first(10).map(({ number }) => number)).toEqual([1, 4, 5, 6, 7, 8]);
  entries.remove(entries.first(4));
  expect(entries.first(10).map(({ number }) => number)).toEqual([7, 8]);
  expect(entries.size).toBe(2);
});

it('has room again after entries were removed', () => {
  const entries = new WaitingEntries<Entry>(1, ({ source }) => source);
  entries.add({ source: 'a', number: 1 });
  entries.remove(entries.first(1));
  expect(entries.add({ source: 'b', number: 2 })).toBeNull();
  expect(entries.add({ source: 'b', number: 3 })).toEqual({ source: 'b', number: 2 });
});
