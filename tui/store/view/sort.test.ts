import { describe, expect, it } from 'vitest';
import { ago, backingOff, failed, instance, usage } from '../../../test/console/fleet-fixtures.ts';
import { nextSort, SORT_COLUMNS, type SortColumn, sortInstances } from './sort.ts';

const all = [
  instance('c', { usage: usage(10, 1), restarts: 2, started_at: ago(10) }),
  instance('a', { usage: usage(30, 5), restarts: 2, started_at: ago(1000) }),
  backingOff('d'),
  failed('b'),
];
const order = (column: SortColumn, reversed = false) =>
  sortInstances(all, { column, reversed }, Date.now())
    .map(({ name }) => name)
    .join('');

describe('sortInstances', () => {
  it('sorts names ascending, the worst phase first, and measurements descending', () => {
    expect(order('name')).toBe('abcd');
    expect(order('phase')).toBe('bdac');
    expect(order('pss')).toBe('acbd');
    expect(order('cpu')).toBe('acbd');
    expect(order('uptime')).toBe('acbd');
    expect(order('restarts')).toBe('dbac');
  });

  it('keeps missing values last and equal values sorted by name when it reverses', () => {
    expect(order('pss', true)).toBe('cabd');
    expect(order('restarts', true)).toBe('acbd');
  });

  it('sorts numbers above 999 correctly', () => {
    const days = ['2026-11-21-1000-z', '2026-11-21-101-a', '2026-11-20-2000-b'].map((name) => instance(name));
    expect(sortInstances(days, { column: 'name', reversed: false }, 0).map(({ name }) => name)).toEqual([
      '2026-11-20-2000-b',
      '2026-11-21-101-a',
      '2026-11-21-1000-z',
    ]);
  });

  it('returns the same list while the order holds', () => {
    const sort = { column: 'phase', reversed: false } as const;
    const sorted = sortInstances(all, sort, Date.now());
    expect(sorted).not.toBe(all);
    expect(sortInstances(sorted, sort, Date.now())).toBe(sorted);
  });

  it('does not change its input', () => {
    const before = all.map(({ name }) => name);
    order('name');
    expect(all.map(({ name }) => name)).toEqual(before);
  });
});

it('nextSort cycles through all columns', () => {
  let sort = nextSort({ column: 'name', reversed: true });
  expect(sort.reversed).toBe(false);
  for (let step = 1; step < SORT_COLUMNS.length; step += 1) sort = nextSort(sort);
  expect(sort.column).toBe('name');
});
