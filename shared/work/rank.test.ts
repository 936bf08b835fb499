import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { isRank, rankBetween } from './rank.ts';

const ranks = fc.stringMatching(/^[0-9A-Za-z]{0,12}[1-9A-Za-z]$/);

it('a rank is between its neighbours', () => {
  fc.assert(
    fc.property(fc.option(ranks), fc.option(ranks), (one, other) => {
      fc.pre(one === null || other === null || one !== other);
      const [before, after] = one !== null && other !== null && one > other ? [other, one] : [one, other];
      const rank = rankBetween(before, after);
      expect(isRank(rank)).toBe(true);
      if (before !== null) expect(rank > before).toBe(true);
      if (after !== null) expect(rank < after).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

it('any sequence of insertions keeps the order, without two equal ranks', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 200 }), (positions) => {
      const list: string[] = [];
      for (const position of positions) {
        const at = position % (list.length + 1);
        list.splice(at, 0, rankBetween(list[at - 1] ?? null, list[at] ?? null));
      }
      expect(new Set(list).size).toBe(list.length);
      expect([...list].toSorted((one, other) => (one < other ? -1 : 1))).toEqual(list);
    }),
  );
});

it.each([
  ['end', (last: string | null) => rankBetween(last, null)],
  ['start', (first: string | null) => rankBetween(null, first)],
])('ranks stay short at the %s of a list', (_end, next) => {
  let rank: string | null = null;
  for (let count = 0; count < 10_000; count += 1) rank = next(rank);
  expect(rank?.length).toBeLessThanOrEqual(6);
});

it('there is a rank beyond the last short one, at both ends', () => {
  expect(rankBetween('zzzzzz', null) > 'zzzzzz').toBe(true);
  expect(rankBetween(null, '000001') < '000001').toBe(true);
});

it.each([
  ['', null],
  ['a0', null],
  [null, 'a-b'],
  ['b', 'a'],
  ['a', 'a'],
])('rejects %j and %j', (before, after) => {
  expect(() => rankBetween(before, after)).toThrow(RangeError);
});
