import { describe, expect, it } from 'vitest';
import type { Page } from '../../../shared/api/contract/page.ts';
import { behind, combineOlderStatus, FIRST_LIMIT, MAX_LIMIT, nextLimit, readLatest } from './latest.ts';

/** A list of `total` numbers, the highest first, to which `growth` are added before each page but the first. */
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

describe('the latest of many', () => {
  it('are read in as few pages as the API allows', async () => {
    const { asked, read } = source(10_000);
    expect(await read(400)).toMatchObject({ asked: 400, all: false });
    const { items } = await read(1_600);
    expect(asked).toEqual(['1 of 400', '1 of 400', '2 of 400', '3 of 400', '4 of 400']);
    expect(items).toHaveLength(1_600);
  });

  it('end where there are no older ones', async () => {
    const { asked, read } = source(450);
    expect(await read(200)).toMatchObject({ all: false });
    const whole = await read(1_600);
    expect(whole).toMatchObject({ all: true });
    expect(whole.items.at(-1)).toBe(1);
    expect(asked).toEqual(['1 of 200', '1 of 400', '2 of 400']);
    expect(await source(0).read(200)).toEqual({ items: [], asked: 200, all: true });
  });

  it('are each there once, whatever is added between two pages', async () => {
    const { items } = await source(2_000, 30).read(1_600);
    expect(new Set(items).size).toBe(items.length);
    expect(items).toEqual(Array.from({ length: items.length }, (_, index) => 2_000 - index));
  });
});

const page = (asked: number, all: boolean) => ({ key: '', error: null, value: { items: [], asked, all } });

describe('what is behind the last one', () => {
  it.each([
    [null, FIRST_LIMIT, 'more'],
    [null, 400, 'reading'],
    [page(200, false), 200, 'more'],
    [page(200, false), 400, 'reading'],
    [page(400, true), 400, 'all'],
    [page(MAX_LIMIT, false), MAX_LIMIT, 'longest'],
  ] as const)('%j, of which %i are asked for: %s', (read, asked, words) => {
    expect(behind(read, asked)).toBe(words);
  });

  it('is nothing only when both of two have nothing more', () => {
    expect(combineOlderStatus('all', 'more')).toBe('more');
    expect(combineOlderStatus('reading', 'more')).toBe('reading');
    expect(combineOlderStatus('all', 'all')).toBe('all');
  });

  it('is reached in a few steps', () => {
    expect([200, 3_200, 6_400].map(nextLimit)).toEqual([400, 6_400, 6_400]);
  });
});
