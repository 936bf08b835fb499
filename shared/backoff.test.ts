import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { fullJitterMs } from './backoff.ts';

const options = { baseMs: 500, capMs: 60_000 };

it('the ceiling doubles with each attempt up to the cap', () => {
  const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 9, 40].map((attempt) => fullJitterMs(attempt, options, () => 1));
  expect(ceilings).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

it('the wait is between 0 and the ceiling for every attempt', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, random) => {
        const wait = fullJitterMs(attempt, options, () => random);
        expect(Number.isInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(Math.min(60_000, 500 * 2 ** (attempt - 1)));
      },
    ),
  );
  expect(fullJitterMs(5, options, () => 0)).toBe(0);
});
