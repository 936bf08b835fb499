/** One page of a list that is held whole. */
export function pageFrom<T>(
  all: readonly T[],
  { page, per_page }: { page: number; per_page: number },
): { items: T[]; page: number; per_page: number; total: number } {
  return { items: all.slice((page - 1) * per_page, page * per_page), page, per_page, total: all.length };
}
