import type { Page } from '../../../shared/api/contract/page.ts';

/** The newest items of a list. */
export interface Latest<T> {
  items: readonly T[];
  /** Maximum number of items that were loaded. */
  limit: number;
  /** There are no older items. */
  complete: boolean;
}

/** Number of items that a list loads at first. */
export const FIRST_LIMIT = 200;
/** Maximum number of items of a list. Commands and the API have no such limit. */
export const MAX_LIMIT = 6_400;
/** Maximum page size of the API. */
const PER_PAGE = 500;

/** Doubles the limit, because each step loads the newer items again. */
export function nextLimit(limit: number): number {
  return Math.min(MAX_LIMIT, limit * 2);
}

/** Loads page by page. Each item occurs once, also if new items shift others to the next page in between. */
export async function readLatest<T>(
  limit: number,
  keyOf: (item: T) => string | number,
  read: (query: { page: number; per_page: number }) => Promise<Page<T>>,
): Promise<Latest<T>> {
  const pages = Math.ceil(limit / PER_PAGE);
  const per_page = Math.ceil(limit / pages);
  const items = new Map<string | number, T>();
  let total = 0;
  for (let page = 1; page <= pages; page += 1) {
    const answer = await read({ page, per_page });
    for (const item of answer.items) if (!items.has(keyOf(item))) items.set(keyOf(item), item);
    total = answer.total;
    if (page * per_page >= total) break;
  }
  return { items: [...items.values()], limit, complete: pages * per_page >= total };
}

/** Whether there are older items: `more` can be loaded, are `loading`, `none`, or the console's `limit` is reached. */
export type OlderStatus = 'more' | 'loading' | 'none' | 'limit';

/** @param page null if the list shows only items from the stream and has not loaded a page yet */
export function olderStatus(page: { value: Latest<unknown> | null } | null, limit: number): OlderStatus {
  if (page === null) return limit > FIRST_LIMIT ? 'loading' : 'more';
  if (page.value === null || page.value.limit < limit) return 'loading';
  if (page.value.complete) return 'none';
  return limit < MAX_LIMIT ? 'more' : 'limit';
}

/** The status of a list that combines two sources. */
export function combineOlderStatus(one: OlderStatus, other: OlderStatus): OlderStatus {
  const order: readonly OlderStatus[] = ['loading', 'more', 'limit', 'none'];
  return order[Math.min(order.indexOf(one), order.indexOf(other))] ?? 'none';
}
