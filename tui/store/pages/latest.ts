import type { Page } from '../../../shared/api/contract/page.ts';

/** The latest of many, the newest first or last, as far back as was asked for. */
export interface Latest<T> {
  items: readonly T[];
  asked: number;
  /** There are no older ones. */
  all: boolean;
}

/** What a list begins with. */
export const FIRST_LIMIT = 200;
/** A console is for looking: whoever needs more than this has a command or the API. */
export const MAX_LIMIT = 6_400;
/** The most that the API gives at once. */
const PER_PAGE = 500;

/** Twice as far back: what is read anew with each step stays in proportion to what is new. */
export function nextLimit(asked: number): number {
  return Math.min(MAX_LIMIT, asked * 2);
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
export type OlderStatus = 'more' | 'reading' | 'all' | 'longest';

/** `page` is null where none is read before one looks further back. */
export function behind(page: { value: Latest<unknown> | null } | null, asked: number): OlderStatus {
  if (page === null) return asked > FIRST_LIMIT ? 'reading' : 'more';
  if (page.value === null || page.value.asked < asked) return 'reading';
  if (page.value.all) return 'all';
  return asked < MAX_LIMIT ? 'more' : 'longest';
}

/** Of a list that is made from two. */
export function combineOlderStatus(one: OlderStatus, other: OlderStatus): OlderStatus {
  const order: readonly OlderStatus[] = ['reading', 'more', 'longest', 'all'];
  return order[Math.min(order.indexOf(one), order.indexOf(other))] ?? 'all';
}
