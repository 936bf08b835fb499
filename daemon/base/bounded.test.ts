import { expect, it } from 'vitest';
import { removeOldestOver } from './bounded.ts';

it('removes the oldest entry of a map or set that has too many', () => {
  const map = new Map([
    ['a', 1],
    ['b', 2],
  ]);
  expect(removeOldestOver(map, 2)).toBeUndefined();
  map.delete('a');
  map.set('a', 3);
  map.set('c', 4);
  expect(removeOldestOver(map, 2)).toBe('b');
  expect([...map.keys()]).toEqual(['a', 'c']);
  const set = new Set(['x', 'y']);
  expect(removeOldestOver(set, 1)).toBe('x');
  expect([...set]).toEqual(['y']);
});
