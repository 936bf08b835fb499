import type { Instance } from '../../../shared/api/instances.ts';
import { cached } from '../cached.ts';
import type { FleetState } from '../fleet/fleet-state.ts';
import { severityOf } from '../text/reason.ts';
import { filterInstances } from './filter.ts';
import { type Sort, sortInstances } from './sort.ts';

/** Selects and sorts the rows of a list of instances. */
export type RowSelector = (
  fleet: FleetState,
  seen: { filter: string; sort: Sort; problemsOnly?: boolean },
) => readonly Instance[];

/**
 * The selector caches its last result: moving the cursor through thousands of rows does not sort them again. It sorts from
 * the last order, which takes as many comparisons as there are rows while they keep their places.
 */
export function createRowSelector(): RowSelector {
  let lastInputs: readonly unknown[] = [];
  let rows: readonly Instance[] = [];
  return ({ instances, now }, { filter, sort, problemsOnly = false }) => {
    // Only the severity depends on the time.
    const dependsOnTime = problemsOnly || sort.column === 'phase';
    const inputs = [instances, filter, sort, problemsOnly, dependsOnTime ? now : null];
    if (inputs.some((input, index) => input !== lastInputs[index])) {
      const all = inOrderOf(rows, instances);
      const listed = problemsOnly ? all.filter((one) => severityOf(one, now) !== 'ok') : all;
      rows = sortInstances(filterInstances(listed, filter), sort, now);
      lastInputs = inputs;
    }
    return rows;
  };
}

/** All instances: first those of `rows`, in their order. */
function inOrderOf(rows: readonly Instance[], instances: ReadonlyMap<string, Instance>): Instance[] {
  const known: Instance[] = [];
  for (const { name } of rows) {
    const instance = instances.get(name);
    if (instance !== undefined) known.push(instance);
  }
  if (known.length === instances.size) return known;
  const before = new Set(namesOf(rows));
  return [...known, ...[...instances.values()].filter(({ name }) => !before.has(name))];
}

export const namesOf = cached((rows: readonly Instance[]): readonly string[] => rows.map(({ name }) => name));

/** The instances that an action applies to: the marked ones, else the selected one. Never the global database. */
export function targetsOf(
  { instances }: FleetState,
  marks: ReadonlySet<string>,
  chosen: string | null,
): string[] {
  const marked = [...marks].filter((name) => instances.get(name)?.kind === 'user');
  if (marked.length > 0) return marked.toSorted();
  return chosen !== null && instances.get(chosen)?.kind === 'user' ? [chosen] : [];
}
