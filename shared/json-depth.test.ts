import { expect, it } from 'vitest';
import { isDeeperThan } from './json-depth.ts';

const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}1${']'.repeat(depth)}`);

it.each([
  [5, 5, false],
  [6, 5, true],
  [0, 0, false],
  [1, 0, true],
  [20_000, 500, true],
])('%i levels are deeper than %i: %s', (depth, limit, expected) => {
  expect(isDeeperThan(nested(depth), limit)).toBe(expected);
});

it('treats a circular value as too deep, but not a wide one', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = { circular };
  expect(isDeeperThan(circular, 500)).toBe(true);
  expect(
    isDeeperThan(
      Array.from({ length: 100_000 }, () => ({ a: [1] })),
      3,
    ),
  ).toBe(false);
});
