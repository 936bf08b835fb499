/**
 * A rank is a fraction between 0 and 1, written as its digits in base 62. The order of ranks is the order of their bytes, so
 * SQLite sorts them with its default collation. A rank never ends in the digit 0, so one fraction has one rank.
 */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = DIGITS.length;

/** Ranks at an end of a list have at most so many digits while there is space, which is for millions of items. */
const END_DIGITS = 6;
const END_STEP = BASE ** 2;
const END_RANGE = BASE ** END_DIGITS;

/** Whether a text is a rank. */
export function isRank(text: string): boolean {
  return /^[0-9A-Za-z]*[1-9A-Za-z]$/.test(text);
}

/**
 * A rank between two others.
 * @param before the rank above; null at the start of the list
 * @param after the rank below; null at the end of the list
 * @throws RangeError when one of them is not a rank, or when `before` is not less than `after`
 */
export function rankBetween(before: string | null, after: string | null): string {
  for (const rank of [before, after])
    if (rank !== null && !isRank(rank)) throw new RangeError(`not a rank: ${JSON.stringify(rank)}`);
  if (before !== null && after !== null && before >= after)
    throw new RangeError(`rank ${before} is not less than ${after}`);
  if (before === null && after === null) return rankOf(END_RANGE / 2);
  if (after === null || before === null) {
    const next = numberOf(before ?? after ?? '') + (after === null ? END_STEP : -END_STEP);
    if (next > 0 && next < END_RANGE) return rankOf(next);
  }
  return midpoint(before ?? '', after);
}

/** The first digits of a rank as a number. */
function numberOf(rank: string): number {
  let value = 0;
  for (let at = 0; at < END_DIGITS; at += 1) value = value * BASE + digitAt(rank, at);
  return value;
}

function rankOf(value: number): string {
  let digits = '';
  for (let rest = value; digits.length < END_DIGITS; rest = Math.floor(rest / BASE))
    digits = DIGITS.charAt(rest % BASE) + digits;
  return digits.replace(/0+$/, '');
}

/** Digits after the end of a rank are 0. */
function digitAt(rank: string, at: number): number {
  return at < rank.length ? DIGITS.indexOf(rank.charAt(at)) : 0;
}

/** A short rank between two others; an upper bound of null is 1. */
function midpoint(lower: string, upper: string | null): string {
  let rank = '';
  let bound = upper;
  for (let at = 0; ; at += 1) {
    const low = digitAt(lower, at);
    const high = bound === null ? BASE : digitAt(bound, at);
    if (high - low > 1) return rank + DIGITS.charAt(Math.floor((low + high) / 2));
    rank += DIGITS.charAt(low);
    // From here on, every digit gives a rank below the upper bound.
    if (high > low) bound = null;
  }
}

/** A longer rank means that the gap is used up. Insertions at one place add a digit about every six times. */
const MAX_DIGITS = 24;

/** Items around a place whose ranks change first when its gap is used up, on each side. */
const FIRST_WIDTH = 8;

export interface Ranked {
  id: string;
  rank: string;
}

/**
 * The rank of an item between two neighbours.
 * @param before the rank above; null at the start of the list
 * @param after the rank below; null at the end of the list
 * @returns null when the gap is used up: the neighbours need other ranks
 */
export function rankInGap(before: string | null, after: string | null): string | null {
  if (!isGap(before, after)) return null;
  const rank = rankBetween(before, after);
  return rank.length > MAX_DIGITS ? null : rank;
}

/**
 * The ranks that change when an item is inserted where the gap is used up: its own, and those of neighbours.
 * @param list in its order, without the item
 * @param at the index of the item in the new list
 */
export function ranksOfInsertion(list: readonly Ranked[], at: number, id: string): Ranked[] {
  for (let width = FIRST_WIDTH; ; width *= 2) {
    const [start, end] = [at - width, at + width];
    const lower = list[start - 1]?.rank ?? null;
    const upper = list[end]?.rank ?? null;
    const isComplete = lower === null && upper === null;
    if (!isComplete && !isGap(lower, upper)) continue;
    const above = list.slice(Math.max(0, start), at);
    const old = [...above, { id, rank: '' }, ...list.slice(at, end)];
    const ranks = ranksBetween(lower, upper, old.length);
    // A list whose ranks all change has room: its ends are open.
    if (!isComplete && ranks.some((rank) => rank.length > MAX_DIGITS)) continue;
    return old.flatMap((item, index) => {
      const rank = ranks[index] ?? '';
      return rank === item.rank ? [] : [{ id: item.id, rank }];
    });
  }
}

/** Ranks between two others, in their order. */
function ranksBetween(before: string | null, after: string | null, count: number): string[] {
  if (count === 0) return [];
  const rank = rankBetween(before, after);
  const above = Math.floor((count - 1) / 2);
  return [...ranksBetween(before, rank, above), rank, ...ranksBetween(rank, after, count - 1 - above)];
}

function isGap(before: string | null, after: string | null): boolean {
  if ([before, after].some((rank) => rank !== null && !isRank(rank))) return false;
  return before === null || after === null || before < after;
}
