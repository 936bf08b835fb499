import type { Instance } from '../../shared/instance.ts';
import { filterInstances } from './filter.ts';
import type { FleetState } from './fleet-state.ts';
import { type Sort, sortInstances } from './sort.ts';

/** The rows of the instance list. */
export type RowSelector = (fleet: FleetState, seen: { filter: string; sort: Sort }) => readonly Instance[];

/** Remembers its last answer: moving the cursor through a thousand rows does not sort them anew. */
export function createRowSelector(): RowSelector {
  let seen: readonly unknown[] = [];
  let rows: readonly Instance[] = [];
  return ({ instances, now }, { filter, sort }) => {
    // Only the phase grows worse by the mere passing of time.
    const wanted = [instances, filter, sort, sort.column === 'phase' ? now : null];
    if (wanted.some((part, index) => part !== seen[index])) {
      rows = sortInstances(filterInstances([...instances.values()], filter), sort, now);
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
