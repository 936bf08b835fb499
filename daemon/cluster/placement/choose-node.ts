import type { NodeRecord } from '../records.ts';

/** A database that sleeps takes about a tenth of one that runs: a port, its replica, and its restore in a takeover. */
const SLEEPING = 0.1;
/** Below this share of free memory, a node gets databases only when all others have less than that, too. */
const SHORT_MEMORY_SHARE = 0.1;
const GIB = 1024 ** 3;

/** What counts for the choice of a node. */
export type Candidate = Pick<
  NodeRecord,
  'node' | 'databases' | 'running' | 'memory_total_bytes' | 'memory_free_bytes'
>;

/** What a node that gives databases, and one that takes them, must have in common. */
export type Giver = Pick<NodeRecord, 'fleet' | 'takeover' | 'secrets'>;

/** Why a node cannot take databases of another one; null when it can. */
export function takeProblem(
  target: Pick<NodeRecord, 'fleet' | 'takeover' | 'secrets' | 'serves'>,
  giver: Giver,
  { isDrained }: { isDrained: boolean },
): string | null {
  if (target.fleet !== giver.fleet) return 'it has another fleet';
  if (!target.takeover || !giver.takeover) return 'both nodes need FATHOM_FENCE=on and REPLICA';
  if (target.secrets !== giver.secrets) return 'its secrets are other ones';
  if (target.serves !== true) return 'it is no member of the fleet, or is starting; see FATHOM_FLEET_ID';
  return isDrained ? "it is drained; see 'fathomd nodes undrain'" : null;
}

/** Databases of a node for each GiB of its memory. One that sleeps counts for a tenth. */
export function loadOf({ databases, running, memory_total_bytes: memory }: Candidate): number {
  return (running + Math.max(0, databases - running) * SLEEPING) / (Math.max(1, memory) / GIB);
}

export const isShortOfMemory = ({ memory_free_bytes: free, memory_total_bytes: total }: Candidate) =>
  free < total * SHORT_MEMORY_SHARE;

/** The node that gets the next database: the one with the lowest load of those with free memory. Null without candidates. */
export function chooseNode(candidates: readonly Candidate[]): string | null {
  const compare = (a: Candidate, b: Candidate) =>
    Number(isShortOfMemory(a)) - Number(isShortOfMemory(b)) ||
    loadOf(a) - loadOf(b) ||
    a.databases - b.databases ||
    (a.node < b.node ? -1 : 1);
  const [first, ...others] = candidates;
  if (first === undefined) return null;
  return others.reduce((best, one) => (compare(one, best) < 0 ? one : best), first).node;
}

/** The candidate with more databases that run. */
export function withMore<T extends Candidate>(candidate: T, count: number): T {
  return {
    ...candidate,
    databases: candidate.databases + count,
    running: candidate.running + count,
  };
}

/** Which node gets each of several databases, one after the other. Empty without candidates. */
export function placeAll(names: readonly string[], candidates: readonly Candidate[]): Map<string, string> {
  const loads = new Map(candidates.map((candidate) => [candidate.node, candidate]));
  const placed = new Map<string, string>();
  for (const name of names) {
    const chosen = loads.get(chooseNode([...loads.values()]) ?? '');
    if (chosen === undefined) break;
    placed.set(name, chosen.node);
    loads.set(chosen.node, withMore(chosen, 1));
  }
  return placed;
}
