import { expect, it } from 'vitest';
import { Counts } from './counts.ts';

it('counts holders by key, up to a limit', () => {
  const counts = new Counts();
  const first = counts.take('a', 2);
  const second = counts.take('a', 2);
  expect(counts.take('a', 2)).toBeNull();
  expect(counts.take('b', 2)).not.toBeNull();
  first?.();
  first?.();
  expect(counts.of('a')).toBe(1);
  expect(counts.take('a', 2)).not.toBeNull();
  second?.();
  expect([counts.of('a'), counts.of('unknown')]).toEqual([1, 0]);
});
