import type { Instance } from '../../../shared/api/instances.ts';
import type { FleetState } from '../fleet/fleet-state.ts';
import { severityOf } from '../text/reason.ts';
import { filterInstances } from './filter.ts';
import { type Sort, sortInstances } from './sort.ts';

/** The rows of the instance list. */
export type RowSelector = (
  fleet: FleetState,
  seen: { filter: string; sort: Sort; problemsOnly?: boolean },
) => readonly Instance[];

/** Remembers its last answer: moving the cursor through a thousand rows does not sort them anew. */
export function createRowSelector(): RowSelector {
  let seen: readonly unknown[] = [];
  let rows: readonly Instance[] = [];
  return ({ instances, now }, { filter, sort, problemsOnly = false }) => {
    // Only how bad it is changes by the mere passing of time.
    const ages = problemsOnly || sort.column === 'phase';
    const wanted = [instances, filter, sort, problemsOnly, ages ? now : null];
    if (wanted.some((part, index) => part !== seen[index])) {
      const all = [...instances.values()];
      const listed = problemsOnly ? all.filter((one) => severityOf(one, now) !== 'ok') : all;
      rows = sortInstances(filterInstances(listed, filter), sort, now);
      seen = wanted;
    }
    return rows;
  };
}

export function namesOf(rows: readonly Instance[]): string[] {
  return rows.map(({ name }) => name);
}

/** What an action hits: the marked instances that still exist, else the chosen one; never the global database. */
export function targetsOf(
  { instances }: FleetState,
  marks: ReadonlySet<string>,
  chosen: string | null,
): string[] {
  const marked = [...marks].filter((name) => instances.get(name)?.kind === 'user');
  if (marked.length > 0) return marked.toSorted();
  return chosen !== null && instances.get(chosen)?.kind === 'user' ? [chosen] : [];
}
