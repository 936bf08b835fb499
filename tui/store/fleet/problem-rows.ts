import type { Problem } from './problems.ts';

/** Minimum number of problems with the same cause that become one row. */
const MIN_GROUP = 3;

/** A row of the list of problems: one problem, or all with the same cause. */
export interface ProblemRow {
  /** Key of the problem, or of the group. */
  key: string;
  /** The problems of the row, worst first; never empty. */
  problems: readonly [Problem, ...Problem[]];
  /** Null for a single problem. `open`: the problems of the group are listed below it. */
  group: { cause: string; open: boolean } | null;
  /** The row belongs to an open group. */
  member: boolean;
}

/** Rows in the order of the problems. A group is at the position of its first problem. */
export function problemRows(problems: readonly Problem[], expanded: ReadonlySet<string>): ProblemRow[] {
  const byCause = Map.groupBy(problems, ({ cause }) => cause);
  const shown = new Set<string>();
  return problems.flatMap((problem): ProblemRow[] => {
    const { cause } = problem;
    const all = byCause.get(cause) ?? [];
    if (cause === null || all.length < MIN_GROUP) return [rowOf(problem, false)];
    if (shown.has(cause)) return [];
    shown.add(cause);
    const open = expanded.has(cause);
    const others = all.filter((one) => one !== problem);
    const head: ProblemRow = {
      key: `cause ${cause}`,
      problems: [problem, ...others],
      group: { cause, open },
      member: false,
    };
    return open ? [head, ...all.map((one) => rowOf(one, true))] : [head];
  });
}

function rowOf(problem: Problem, member: boolean): ProblemRow {
  return { key: problem.key, problems: [problem], group: null, member };
}
