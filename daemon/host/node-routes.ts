import {
  type ClusterNode,
  drainNode,
  listNodes,
  moveDatabase,
  removeNode,
  undrainNode,
} from '../../shared/api/nodes.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { DatabaseMoves } from '../databases/elsewhere/database-moves.ts';
import { type Api, serve } from '../http/serve.ts';

export interface NodeRoutesDeps {
  /** Null for a single server. */
  cluster: Cluster | null;
  moves: DatabaseMoves;
}

/** Routes for the nodes of the cluster. */
export function nodeRoutes(app: Api, { cluster, moves }: NodeRoutesDeps): void {
  const required = (): Cluster => {
    if (cluster === null)
      throw new FathomError('conflict', 'this daemon is not a node of a cluster: FATHOM_CLUSTER is not set');
    return cluster;
  };
  const nodeNamed = async (name: string): Promise<ClusterNode> => {
    const node = (await required().nodes()).items.find((one) => one.name === name);
    if (node === undefined) throw new FathomError('conflict', `${name} was removed from the cluster`);
    return node;
  };
  serve(app, listNodes, async () => required().nodes());
  serve(app, moveDatabase, async ({ params: { name }, body: { node } }) => {
    await moves.move(name, node);
    return { name, node };
  });
  serve(app, drainNode, async ({ params: { name }, body }) => {
    await required().drains.begin(name, body?.purpose ?? 'maintenance');
    return nodeNamed(name);
  });
  serve(app, undrainNode, async ({ params: { name } }) => {
    await required().drains.end(name);
    return nodeNamed(name);
  });
  serve(app, removeNode, async ({ params: { name } }) => required().remove(name));
}
