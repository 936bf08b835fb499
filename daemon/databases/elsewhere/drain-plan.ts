import { type InstancePhase, WITHOUT_PROCESS } from '../../../shared/instance.ts';

/** After so long without a complete replica, a database that runs is shown as one that cannot move. */
export const REPLICA_MS = 60_000;

/** A database of a node that is drained, which does not move now. */
export interface DrainEntry {
  name: string;
  phase: InstancePhase;
  /** Since its last use; null for one without a process. */
  idleMs: number | null;
  isReplicated: boolean;
  /** Since it was first seen, or was woken to get a replica. */
  waitsMs: number;
  /** Its last attempt; null before the first. */
  failure: { message: string; mayRetry: boolean } | null;
}

export interface DrainPlan {
  /** In order. */
  move: string[];
  /** These sleep, and have no replica of this node: they have to run for one. */
  wake: string[];
  /** Why databases cannot move. Some of them are tried again. */
  problems: { name: string; message: string }[];
}

/** With a process that begins or ends, a move would only wait. */
const CHANGING: ReadonlySet<InstancePhase> = new Set(['queued', 'starting', 'stopping', 'waking']);

/**
 * What a node that is drained does next. Databases without a process move first, because no client waits for them, then those
 * that were not used for the longest time.
 *
 * @param slots databases that may begin to move now, or to wake
 */
export function planDrain(entries: readonly DrainEntry[], slots: number): DrainPlan {
  const plan: DrainPlan = { move: [], wake: [], problems: [] };
  const inOrder = entries.toSorted(
    (a, b) => rankOf(a) - rankOf(b) || (b.idleMs ?? 0) - (a.idleMs ?? 0) || (a.name < b.name ? -1 : 1),
  );
  for (const entry of inOrder) {
    const { name, phase, isReplicated, failure } = entry;
    const message = failure?.message ?? replicaProblem(entry);
    if (message !== null) plan.problems.push({ name, message });
    const mayTry = failure?.mayRetry !== false && !CHANGING.has(phase);
    if (!mayTry || plan.move.length + plan.wake.length >= slots) continue;
    if (isReplicated) plan.move.push(name);
    else if (phase === 'asleep') plan.wake.push(name);
  }
  return plan;
}

function rankOf({ phase, failure }: DrainEntry): number {
  if (failure !== null) return 2;
  return WITHOUT_PROCESS.has(phase) ? 0 : 1;
}

function replicaProblem({ name, phase, isReplicated, waitsMs }: DrainEntry): string | null {
  if (isReplicated || phase === 'asleep') return null;
  if (phase === 'stopped' || phase === 'failed')
    return `it has no replica that has everything, and does not run; run 'fathomd databases start ${name}', or delete it`;
  return waitsMs > REPLICA_MS ? "its replica is not complete; see 'fathomd doctor'" : null;
}
