import { type Candidate, isShortOfMemory } from './choose-node.ts';

/** Below this difference, a move is not worth its interruption. */
const WORTHWHILE = 1.1;

/** Of all databases: which of them run changes often, and would move databases to and fro. */
export const shareOf = ({ databases, memory_total_bytes: memory }: Candidate) =>
  databases / Math.max(1, memory);

const withOne = (candidate: Candidate) => ({ ...candidate, databases: candidate.databases + 1 });

/**
 * The node that gets a database of this one, so that both have as many for their memory; null when none has so few. A move never
 * makes the other one the fuller of both: databases do not come back.
 */
export function rebalanceTarget(own: Candidate, others: readonly Candidate[]): string | null {
  const [first, ...more] = others.filter((one) => !isShortOfMemory(one));
  if (first === undefined) return null;
  const target = more.reduce((best, one) => {
    const difference = shareOf(withOne(one)) - shareOf(withOne(best));
    return difference < 0 || (difference === 0 && one.node < best.node) ? one : best;
  }, first);
  const less = shareOf({ ...own, databases: own.databases - 1 });
  if (shareOf(withOne(target)) > less) return null;
  return shareOf(own) >= shareOf(target) * WORTHWHILE ? target.node : null;
}
