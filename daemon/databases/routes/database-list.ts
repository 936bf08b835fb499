import type { z } from 'zod';
import type { DATABASE_SORTS, listDatabases } from '../../../shared/api/databases.ts';
import type { Catalog } from '../catalog.ts';
import type { Listed } from '../elsewhere/elsewhere-instance.ts';

type Query = z.output<typeof listDatabases.query>;
type SortField = (typeof DATABASE_SORTS)[number];

const KEYS: Readonly<Record<SortField, (runner: Listed) => string | number>> = {
  name: ({ spec }) => spec.name,
  phase: ({ state }) => state.phase,
  port: ({ state }) => state.observed.port ?? 0,
  restarts: ({ state }) => state.observed.restarts,
  created_at: ({ spec }) => spec.createdAt,
  since: ({ state }) => state.since.getTime(),
};

/**
 * Returns the runners that match the query. Filters and sorts runners, because a view of each instance takes longer than the
 * rest of the request.
 *
 * @param sorted the runners that the caller may see, by name
 */
export function listRunners(sorted: readonly Listed[], query: Query): readonly Listed[] {
  const { phase, search, sort } = query;
  const isFiltered = phase !== undefined || search !== undefined;
  const matching = isFiltered ? sorted.filter((runner) => matches(runner, query)) : sorted;
  return sortBy(matching, sort);
}

function matches({ spec: { name, email }, state }: Listed, { phase, search }: Query): boolean {
  return (
    (phase === undefined || state.phase === phase) &&
    (search === undefined || name.includes(search) || email?.includes(search) === true)
  );
}

/** Runners with equal fields stay sorted by name; a descending order is the reverse of the ascending one. */
function sortBy(runners: readonly Listed[], sort: Query['sort']): readonly Listed[] {
  const isDescending = sort.startsWith('-');
  const field = (isDescending ? sort.slice(1) : sort) as SortField;
  const key = KEYS[field];
  const ascending =
    field === 'name'
      ? runners
      : runners
          .map((runner) => ({ runner, key: key(runner) }))
          .toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)))
          .map(({ runner }) => runner);
  return isDescending ? ascending.toReversed() : ascending;
}

/** Those of this node and of all others, by name. @param sorted the runners of this node */
export function listAll(
  sorted: readonly Listed[],
  { elsewhere }: Pick<Catalog, 'elsewhere'>,
): readonly Listed[] {
  if (elsewhere.size === 0) return sorted;
  return [...sorted, ...elsewhere.list()].toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
}

export function listOwn(
  userId: string,
  catalog: Pick<Catalog, 'findByUser' | 'elsewhere'>,
): readonly Listed[] {
  const own = catalog.findByUser(userId);
  return own ? [own.runner] : catalog.elsewhere.list(({ row }) => row.user === userId);
}
