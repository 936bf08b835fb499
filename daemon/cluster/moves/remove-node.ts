import { FathomError } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Coordinator } from '../coordinator.ts';
import { drainKey, memberKey, nodeKey, OWNERS } from '../records.ts';
import { chunks, freeing, type Owned, readOwned } from './owned-records.ts';

/** As `removeNode`, for a name that an administrator gave. @throws FathomError `not_found`, `conflict`, `cluster.unavailable` */
export async function removeOffline(node: string, deps: Parameters<typeof removeNode>[1]): Promise<number> {
  if ((await deps.coordinator.get(memberKey(node))) === null)
    throw new FathomError('not_found', `there is no node named '${node}'; 'fathomd nodes list' shows all`);
  if ((await deps.coordinator.get(nodeKey(node))) !== null)
    throw new FathomError('conflict', `node ${node} is online; stop its daemon and its databases first`);
  return removeNode(node, deps);
}

/**
 * Removes a node that is off, and frees all its databases. The control planes come last: with one, another node can begin to start the rest.
 *
 * @param last names of databases that are freed after all others
 * @returns the number of databases
 * @throws FathomError `conflict` when the node is registered
 */
export async function removeNode(
  node: string,
  { coordinator, clock, last }: { coordinator: Coordinator; clock: Clock; last: string },
): Promise<number> {
  const owned = await readOwned(coordinator, OWNERS, node);
  const isLast = ({ entry }: Owned) => entry.key.endsWith(`/${last}`);
  const ordered = [...owned.filter((one) => !isLast(one)), ...owned.filter(isLast)];
  for (const part of chunks(ordered)) {
    const { expect, put } = freeing(part, clock.now());
    const isFreed = await coordinator.commit({
      expect: [{ key: nodeKey(node), revision: 0 }, ...expect],
      put,
    });
    if (!isFreed) throw cameBack(node);
  }
  const isRemoved = await coordinator.commit({
    expect: [{ key: nodeKey(node), revision: 0 }],
    remove: [memberKey(node), drainKey(node)],
  });
  if (!isRemoved) throw cameBack(node);
  return owned.length;
}

function cameBack(node: string): FathomError {
  return new FathomError(
    'conflict',
    `${node} is online, or its databases change; stop its server, then try again`,
  );
}
