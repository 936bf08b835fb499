/** In this time, each database has a drill. */
const ALL_WITHIN_MS = 28 * 86_400_000;

export interface DrillCandidate {
  name: string;
  /** When its last drill was; null before the first. */
  at: Date | null;
  isFailed: boolean;
  /** It has a drill in each run. */
  isAlways: boolean;
}

/**
 * Chooses the next drill of a run: the control plane, databases whose last drill failed, then those whose last drill is the
 * oldest, until the run has its part of all databases. A run that was interrupted, or missed, goes on where it ended.
 *
 * @param run the present run of the schedule
 * @returns null when the run is complete
 */
export function chooseDrill(
  candidates: readonly DrillCandidate[],
  run: { start: Date; next: Date },
): string | null {
  const isDone = ({ at }: DrillCandidate) => at !== null && at >= run.start;
  const timeOf = ({ at }: DrillCandidate) => at?.getTime() ?? 0;
  const first = candidates.find((one) => one.isAlways && !isDone(one));
  if (first) return first.name;
  const failed = candidates.find((one) => one.isFailed && !isDone(one));
  if (failed) return failed.name;
  const others = candidates.filter((one) => !one.isAlways);
  const share = Math.min(1, (run.next.getTime() - run.start.getTime()) / ALL_WITHIN_MS);
  const wanted = Math.ceil(others.length * share);
  const waiting = others.filter((one) => !isDone(one));
  if (others.length - waiting.length >= wanted) return null;
  return waiting.toSorted((a, b) => timeOf(a) - timeOf(b) || (a.name < b.name ? -1 : 1)).at(0)?.name ?? null;
}
