import { expect, it } from 'vitest';
import { countExpired } from './expired-rows.ts';

const cutoff = new Date('2026-06-01T00:00:00.000Z');
const now = new Date('2026-11-01T00:00:00.000Z');
const OLD = '2026-01-01T00:00:00.000Z';
const RECENT = '2026-10-01T00:00:00.000Z';
const FUTURE = '2099-01-01T00:00:00.000Z';

it.each<[string, string[], number]>([
  ['nothing', [], 0],
  ['the old rows at the start', [OLD, OLD, RECENT], 2],
  ['no row after a recent one, as after a clock that was behind', [OLD, RECENT, OLD, OLD], 1],
  ['a row from the future before an old one', [FUTURE, OLD, FUTURE, RECENT], 2],
  ['no row from the future alone', [FUTURE, FUTURE], 0],
  ['the row exactly at the limit not', [OLD, cutoff.toISOString()], 1],
  ['an unreadable time as old', ['', OLD], 2],
])('counts %s', (_, times, expected) => {
  expect(
    countExpired(
      times.map((at) => ({ at })),
      { cutoff, now },
    ),
  ).toBe(expected);
});

it('counts nothing with a clock that is far behind', () => {
  const past = { cutoff: new Date(0), now: new Date('1970-01-02T00:00:00.000Z') };
  expect(countExpired([{ at: OLD }, { at: RECENT }], past)).toBe(0);
});
