import { expect, it } from 'vitest';
import { failed, instance } from '../../../test/console/fleet-fixtures.ts';
import { initialState } from '../fleet/fleet-state.ts';
import { createRowSelector, namesOf } from './rows.ts';

const SORT = { column: 'phase', reversed: false } as const;

function fleet(...instances: ReturnType<typeof instance>[]) {
  return { ...initialState(Date.now()), instances: new Map(instances.map((one) => [one.name, one])) };
}

it('sorts from the last order, and sees what was added, changed and removed', () => {
  const select = createRowSelector();
  const names = (...instances: ReturnType<typeof instance>[]) =>
    namesOf(select(fleet(...instances), { filter: '', sort: SORT }));
  expect(names(instance('b'), instance('a'), instance('d'))).toEqual(['a', 'b', 'd']);
  expect(names(instance('b'), instance('c'), instance('d'))).toEqual(['b', 'c', 'd']);
  expect(names(instance('b'), instance('c'), failed('d'))).toEqual(['d', 'b', 'c']);
});

it('derives the names of a list once', () => {
  const rows = createRowSelector()(fleet(instance('a')), { filter: '', sort: SORT });
  expect(namesOf(rows)).toBe(namesOf(rows));
});
