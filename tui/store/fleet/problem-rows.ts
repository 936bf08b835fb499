import type { Problem } from './problems.ts';

/** As many with one cause become one row: fewer take no more room one by one. */
const GROUPED_FROM = 3;

/** A row of the list of problems: one problem, or all with the same cause. */
export interface ProblemRow {
  /** Of the problem, or of the cause. */
  key: string;
  /** All that it stands for, worst first; never empty. */
  problems: readonly [Problem, ...Problem[]];
  /** Null for one problem; else whether its problems are shown below it. */
  group: { cause: string; open: boolean } | null;
  /** One of a group that is open. */
  member: boolean;
}

/** In the order of the problems, each group where its first one is. */
export function problemRows(problems: readonly Problem[], expanded: ReadonlySet<string>): ProblemRow[] {
  const alike = Map.groupBy(problems, ({ cause }) => cause);
  const shown = new Set<string>();
  return problems.flatMap((problem): ProblemRow[] => {
    const { cause } = problem;
    const all = alike.get(cause) ?? [];
    if (cause === null || all.length < GROUPED_FROM) return [rowOf(problem, false)];
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
