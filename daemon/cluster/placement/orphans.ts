import type { PhaseReason } from '../../../shared/api/instances.ts';
import { forEachConcurrent } from '../../base/concurrent.ts';
import type { Claims } from '../claims.ts';
import type { Coordinator } from '../coordinator.ts';
import { NODES, type NodeRecord, parseNode } from '../records.ts';
import { placeAll, takeProblem } from './choose-node.ts';
import type { Drains } from './drains.ts';

const CONCURRENT_CHANGES = 16;

export interface OrphansDeps {
  coordinator: Coordinator;
  facts: Pick<NodeRecord, 'node' | 'fleet' | 'takeover' | 'secrets'>;
  claims: Pick<Claims, 'others' | 'assign'>;
  /** As `Claims.problem`, and whether this node has a lease. */
  claimProblem: (name: string) => Promise<PhaseReason | null>;
  drains: Pick<Drains, 'list'>;
  /** Whether this node restores a database that is offered to it: it may have it in a moment. */
  isReceiving: (name: string) => boolean;
  /** This node owns databases of other nodes now. */
  onGained: () => void;
}

/** The databases of nodes that have ended or were removed. One node, the leader, decides who takes each of them. */
export class Orphans {
  readonly #deps: OrphansDeps;

  constructor(deps: OrphansDeps) {
    this.#deps = deps;
  }

  /**
   * Gives each of them to the node with the lowest load, which can be this one. One that cannot be given now stays as it is.
   *
   * @returns the number of those that this node owns now
   * @throws FathomError `cluster.unavailable` when it failed for some of them
   */
  async place(): Promise<number> {
    const { coordinator, facts, claims, claimProblem, drains, isReceiving, onGained } = this.#deps;
    const others = claims.others();
    if (others.size === 0) return 0;
    const online = new Map(
      (await coordinator.list(NODES)).map(parseNode).map((record) => [record.node, record]),
    );
    const names = [...others].flatMap(([name, node]) =>
      (node !== null && online.has(node)) || isReceiving(name) ? [] : [name],
    );
    if (names.length === 0) return 0;
    const drained = await drains.list();
    const isAble = (record: NodeRecord) =>
      takeProblem(record, facts, { isDrained: drained.has(record.node) }) === null;
    let gained = 0;
    const placed = placeAll(names, [...online.values()].filter(isAble));
    try {
      await forEachConcurrent(placed, CONCURRENT_CHANGES, async ([name, node]) => {
        if (node !== facts.node) await claims.assign(name, node);
        else if ((await claimProblem(name)) === null) gained += 1;
      });
    } finally {
      if (gained > 0) onGained();
    }
    return gained;
  }
}
