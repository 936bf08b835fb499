import { describe, expect, it } from 'vitest';
import type { Page } from '../../../shared/api/contract/page.ts';
import { combineOlderStatus, FIRST_LIMIT, MAX_LIMIT, nextLimit, olderStatus, readLatest } from './latest.ts';

/** A list of `total` numbers, highest first. `growth` numbers are added before each page except the first. */
function source(total: number, growth = 0) {
  const asked: string[] = [];
  let last = total;
  const read = async ({ page, per_page }: { page: number; per_page: number }): Promise<Page<number>> => {
    asked.push(`${page} of ${per_page}`);
    if (page > 1) last += growth;
    const newest = last - (page - 1) * per_page;
    const items = Array.from({ length: per_page }, (_, index) => newest - index).filter((one) => one > 0);
    return { items, page, per_page, total: last };
  };
  return { asked, read: (wanted: number) => readLatest(wanted, (item) => item, read) };
}

describe('readLatest', () => {
  it('loads as few pages as possible', async () => {
    const { asked, read } = source(10_000);
    expect(await read(400)).toMatchObject({ limit: 400, complete: false });
    const { items } = await read(1_600);
    expect(asked).toEqual(['1 of 400', '1 of 400', '2 of 400', '3 of 400', '4 of 400']);
    expect(items).toHaveLength(1_600);
  });

  it('stops at the oldest item', async () => {
    const { asked, read } = source(450);
    expect(await read(200)).toMatchObject({ complete: false });
    const all = await read(1_600);
    expect(all).toMatchObject({ complete: true });
    expect(all.items.at(-1)).toBe(1);
    expect(asked).toEqual(['1 of 200', '1 of 400', '2 of 400']);
    expect(await source(0).read(200)).toEqual({ items: [], limit: 200, complete: true });
  });

  it('returns each item once when items are added between two pages', async () => {
    const { items } = await source(2_000, 30).read(1_600);
    expect(new Set(items).size).toBe(items.length);
    expect(items).toEqual(Array.from({ length: items.length }, (_, index) => 2_000 - index));
  });
});

const page = (limit: number, complete: boolean) => ({ value: { items: [], limit, complete } });

describe('olderStatus', () => {
  it.each([
    [null, FIRST_LIMIT, 'more'],
    [null, 400, 'loading'],
    [page(200, false), 200, 'more'],
    [page(200, false), 400, 'loading'],
    [page(400, true), 400, 'none'],
    [page(MAX_LIMIT, false), MAX_LIMIT, 'limit'],
  ] as const)('of %j with a limit of %i is %s', (loaded, limit, status) => {
    expect(olderStatus(loaded, limit)).toBe(status);
  });

  it('of two lists is none only if both have no older items', () => {
    expect(combineOlderStatus('none', 'more')).toBe('more');
    expect(combineOlderStatus('loading', 'more')).toBe('loading');
    expect(combineOlderStatus('none', 'none')).toBe('none');
  });

  it('reaches the limit in a few steps', () => {
    expect([200, 3_200, 6_400].map(nextLimit)).toEqual([400, 6_400, 6_400]);
  });
});
