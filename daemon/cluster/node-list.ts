import type { ClusterNode } from '../../shared/api/nodes.ts';
import type { Coordinator } from './coordinator.ts';
import {
  DRAINS,
  MEMBERS,
  NODES,
  type NodeRecord,
  ownersOf,
  parseDrain,
  parseNode,
  parseOwner,
} from './records.ts';

/** All nodes that joined and were not removed, by name. @throws FathomError `cluster.unavailable` */
export async function readNodes(coordinator: Coordinator, controlPlane: string): Promise<ClusterNode[]> {
  const [members, online, drains] = await Promise.all([
    coordinator.list(MEMBERS),
    coordinator.list(NODES),
    coordinator.list(DRAINS),
  ]);
  const drained = new Map(drains.map((entry) => [entry.key.slice(DRAINS.length), parseDrain(entry)]));
  const nodes = new Map<string, ClusterNode>();
  const add = async (record: NodeRecord, state: ClusterNode['state']) => {
    const { node: name, at: seen_at, drain: progress = null } = record;
    const begun = drained.get(name);
    // The schema of the route leaves the rest out.
    const receiving = state === 'online' ? (record.receiving ?? []) : [];
    const node = { ...record, name, state, seen_at, receiving };
    if (begun === undefined) return nodes.set(name, { ...node, drain: null });
    const owned = await coordinator.get(ownersOf(record.fleet) + controlPlane);
    const control_plane = owned !== null && parseOwner(owned).node === name;
    const drain = { ...begun, control_plane, progress: state === 'online' ? progress : null };
    return nodes.set(name, { ...node, drain });
  };
  for (const entry of members) await add(parseNode(entry), 'offline');
  for (const entry of online) await add(parseNode(entry), 'online');
  return [...nodes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
