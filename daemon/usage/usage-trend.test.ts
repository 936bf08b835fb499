import { expect, it } from 'vitest';
import { trendOf } from './usage-trend.ts';

const at = (day: number, bytes: number | null) => ({
  atMs: Date.UTC(2026, 0, 1) + day * 86_400_000,
  diskBytes: bytes,
});

it.each<[string, ReturnType<typeof at>[], number | null, number | null, number | null]>([
  ['knows nothing without samples', [], 100, null, null],
  ['knows no growth from one sample', [at(0, 10)], 100, null, null],
  ['knows none over less than half a day', [at(0, 10), at(0.4, 90)], 100, null, null],
  ['counts the growth of a day', [at(0, 10), at(1, 20)], 100, 10, 8],
  ['counts only the last week', [at(0, 0), at(20, 1000), at(24, 1040)], 2000, 10, 96],
  ['goes over missing days', [at(0, 10), at(3, 40)], 100, 10, 6],
  ['ignores unknown sizes', [at(0, 10), at(1, null), at(2, 30), at(3, null)], 100, 10, 7],
  ['reaches no limit while it shrinks', [at(0, 50), at(1, 40)], 100, -10, null],
  ['reaches no limit that is not set', [at(0, 10), at(1, 20)], null, 10, null],
  ['is at its limit', [at(0, 10)], 10, null, 0],
  ['does not tell what is far away', [at(0, 10), at(1, 11)], 1e15, 1, null],
  ['starts at 0', [at(0, 0), at(1, 5)], 10, 5, 1],
  ['copes with huge sizes', [at(0, 0), at(1, 1e15)], 3e15, 1e15, 2],
])('%s', (_, samples, limit, bytesPerDay, daysUntilLimit) => {
  expect(trendOf(samples, limit)).toEqual({ bytesPerDay, daysUntilLimit });
});
