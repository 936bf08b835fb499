import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { isRank, rankBetween, rankInGap, ranksOfInsertion } from './rank.ts';

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

/** A list as the database keeps it: only the order of ranks counts. */
class RankedList {
  readonly ranks = new Map<string, string>();
  rebalanced = 0;
  changed = 0;

  ids(): string[] {
    return [...this.ranks].toSorted(([, one], [, other]) => (one < other ? -1 : 1)).map(([id]) => id);
  }

  /** Moves an item, or adds it. */
  move(id: string, at: number): void {
    this.ranks.delete(id);
    const list = this.ids().map((other) => ({ id: other, rank: this.ranks.get(other) ?? '' }));
    const rank = rankInGap(list[at - 1]?.rank ?? null, list[at]?.rank ?? null);
    const changes = rank === null ? ranksOfInsertion(list, at, id) : [{ id, rank }];
    if (rank === null) this.rebalanced += 1;
    this.changed += changes.length;
    for (const change of changes) this.ranks.set(change.id, change.rank);
  }
}

function listOf(count: number): [RankedList, string[]] {
  const list = new RankedList();
  const ids = Array.from({ length: count }, (_, at) => `i${at}`);
  for (const [at, id] of ids.entries()) list.move(id, at);
  return [list, ids];
}

it('10,000 random moves keep the order, without two equal ranks', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
      const [list, expected] = listOf(40);
      const next = (below: number) => Number(numbers.next().value) % below;
      for (let count = 0; count < 10_000; count += 1) {
        const [id = ''] = expected.splice(next(40), 1);
        const at = next(40);
        expected.splice(at, 0, id);
        list.move(id, at);
        if (count % 100 === 0) expect(list.ids()).toEqual(expected);
      }
      expect(list.ids()).toEqual(expected);
      expect(new Set(list.ranks.values()).size).toBe(40);
    }),
    { numRuns: 3 },
  );
});

it('gives neighbours other ranks when a gap is used up, so that ranks stay short', () => {
  const [list, expected] = listOf(40);
  // Two items take turns in the same gap, so each move halves it.
  for (let count = 0; count < 10_000; count += 1) {
    const id = expected.splice(20, 1)[0] ?? '';
    expected.splice(19, 0, id);
    list.move(id, 19);
  }
  expect(list.ids()).toEqual(expected);
  expect(list.rebalanced).toBeGreaterThan(0);
  // Few moves change other items.
  expect(list.changed).toBeLessThan(2 * 10_000);
  expect(Math.max(...[...list.ranks.values()].map(({ length }) => length))).toBeLessThanOrEqual(24);
});

it('repairs ranks that clients wrote: equal ones, none, and long ones', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('', 'a', 'a1', 'zzzzzz', `${'z'.repeat(199)}1`, `${'0'.repeat(199)}1`), {
        maxLength: 60,
      }),
      fc.nat(),
      (written, place) => {
        const old = written
          .map((rank, index) => ({ id: `i${String(index).padStart(2, '0')}`, rank }))
          .toSorted((one, other) =>
            one.rank < other.rank || (one.rank === other.rank && one.id < other.id) ? -1 : 1,
          );
        const at = place % (old.length + 1);
        const changes = new Map(ranksOfInsertion(old, at, 'new').map(({ id, rank }) => [id, rank]));
        const expected = old.map(({ id }) => id);
        expected.splice(at, 0, 'new');
        const stored = expected.map((id) => ({
          id,
          rank: changes.get(id) ?? old.find((one) => one.id === id)?.rank ?? '',
        }));
        const order = stored.toSorted((one, other) =>
          one.rank < other.rank || (one.rank === other.rank && one.id < other.id) ? -1 : 1,
        );
        expect(order.map(({ id }) => id)).toEqual(expected);
        for (const rank of changes.values()) expect(isRank(rank)).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});
