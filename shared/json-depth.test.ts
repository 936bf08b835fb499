import { describe, expect, it } from 'vitest';
import { isDeeperThan, isNestedDeeperThan } from './json-depth.ts';

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

describe('the depth of JSON text', () => {
  it.each([
    ['', false],
    ['1', false],
    ['[[1],[2],{"a":3}]', false],
    ['[[[1]]]', true],
    ['{"a":{"b":{}}}', true],
    ['["[[[[", "{{{"]', false],
    [String.raw`["\"[[[[", "\\", [[1]]]`, true],
    [String.raw`["\"[[[[", "\\", [1]]`, false],
    ['[]]]]]][[[]]', false],
    ['"[[[[[', false],
    ['['.repeat(100_000), true],
  ])('of %j is over 2: %s', (text, isDeeper) => {
    expect(isNestedDeeperThan(text, 2)).toBe(isDeeper);
  });
});
