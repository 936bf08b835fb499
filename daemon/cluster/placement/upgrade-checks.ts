import type { DrainPurpose } from '../../../shared/api/nodes.ts';
import type { NodeRecord } from '../records.ts';
import { takeProblem } from './choose-node.ts';

/** A node as etcd shows it. */
export interface NodeState {
  record: Pick<NodeRecord, 'node' | 'fleet' | 'takeover' | 'secrets' | 'serves'>;
  isOnline: boolean;
  /** Null for a node that is not drained. */
  purpose: DrainPurpose | null;
}

/**
 * Whether a node can be drained for its upgrade: one node at a time, while all others can take databases. Nodes of other
 * fleets do not count.
 *
 * @returns what is against it, and the names of the other nodes of the fleet
 */
export function upgradeProblems(
  name: string,
  states: readonly NodeState[],
): { problems: string[]; peers: string[] } {
  const own = states.find(({ record }) => record.node === name);
  if (own === undefined || !own.isOnline) return { problems: [`${name} is offline`], peers: [] };
  const others = states.filter(({ record }) => record.node !== name && record.fleet === own.record.fleet);
  const problems = [
    ...(own.record.serves === true ? [] : [`${name} is starting, or is no member of the fleet`]),
    ...(others.length === 0 ? ['no other node has its fleet'] : []),
    ...others.flatMap((other) => peerProblem(other, own) ?? []),
  ];
  return { problems, peers: others.map(({ record }) => record.node) };
}

function peerProblem({ record, isOnline, purpose }: NodeState, own: NodeState): string | null {
  const { node } = record;
  if (!isOnline) return `${node} is offline: start it, or run 'fathomd nodes remove ${node}'`;
  if (purpose === 'upgrade')
    return `${node} is drained for its upgrade: finish it there with 'fathomd upgrade TARBALL --cluster', or run 'fathomd nodes undrain ${node}'`;
  if (purpose !== null)
    return `${node} is drained: run 'fathomd nodes undrain ${node}' after its maintenance`;
  const problem = takeProblem(record, own.record, { isDrained: false });
  return problem === null ? null : `${node} cannot take databases: ${problem}`;
}
