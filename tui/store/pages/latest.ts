import type { Page } from '../../../shared/protocol.ts';
import type { PageState } from './pages.ts';

/** The latest of many, the newest first or last, as far back as was asked for. */
export interface Latest<T> {
  items: readonly T[];
  asked: number;
  /** There are no older ones. */
  all: boolean;
}

/** What a list begins with. */
export const FIRST_REACH = 200;
/** A console is for looking: whoever needs more than this has a command or the API. */
export const LONGEST_REACH = 6_400;
/** The most that the API gives at once. */
const PER_PAGE = 500;

/** Twice as far back: what is read anew with each step stays in proportion to what is new. */
export function furtherThan(asked: number): number {
  return Math.min(LONGEST_REACH, asked * 2);
}

/** Page by page. What comes in meanwhile moves some to the next page: each is there once. */
export async function readLatest<T>(
  asked: number,
  keyOf: (item: T) => string | number,
  read: (query: { page: number; per_page: number }) => Promise<Page<T>>,
): Promise<Latest<T>> {
  const pages = Math.ceil(asked / PER_PAGE);
  const per_page = Math.ceil(asked / pages);
  const items = new Map<string | number, T>();
  let total = 0;
  for (let page = 1; page <= pages; page += 1) {
    const answer = await read({ page, per_page });
    for (const item of answer.items) if (!items.has(keyOf(item))) items.set(keyOf(item), item);
    total = answer.total;
    if (page * per_page >= total) break;
  }
  return { items: [...items.values()], asked, all: pages * per_page >= total };
}

/** Whether there is more behind the last one that is shown. `longest`: there is, but not for this console. */
export type Behind = 'more' | 'reading' | 'all' | 'longest';

/** `page` is null where none is read before one looks further back. */
export function behind(page: PageState<Latest<unknown>> | null, asked: number): Behind {
  if (page === null) return asked > FIRST_REACH ? 'reading' : 'more';
  if (page.value === null || page.value.asked < asked) return 'reading';
  if (page.value.all) return 'all';
  return asked < LONGEST_REACH ? 'more' : 'longest';
}

/** Of a list that is made from two. */
export function behindBoth(one: Behind, other: Behind): Behind {
  const order: readonly Behind[] = ['reading', 'more', 'longest', 'all'];
  return order[Math.min(order.indexOf(one), order.indexOf(other))] ?? 'all';
}
