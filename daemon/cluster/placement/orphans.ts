import type { PhaseReason } from '../../../shared/api/instances.ts';
import { backoffMs } from '../../../shared/backoff.ts';
import { forEachConcurrent } from '../../base/concurrent.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Claims } from '../claims.ts';
import type { Coordinator } from '../coordinator.ts';
import { NODES, type NodeRecord, parseNode } from '../records.ts';
import { placeAll, takeProblem } from './choose-node.ts';
import type { Drains } from './drains.ts';

const CONCURRENT_CHANGES = 16;
/** Of a database that stays with its node, such as one without a replica: each attempt reads its records. */
const BACKOFF = { baseMs: 2_000, capMs: 300_000 };

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
  clock: Pick<Clock, 'monotonic'>;
}

/** The databases of nodes that have ended or were removed. One node, the leader, decides who takes each of them. */
export class Orphans {
  readonly #deps: OrphansDeps;
  /** By name: databases that could not be given, since their owner has ended. `at` is monotonic. */
  readonly #kept = new Map<string, { failures: number; at: number }>();

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
    if (others.size === 0) {
      this.#kept.clear();
      return 0;
    }
    const online = new Map(
      (await coordinator.list(NODES)).map(parseNode).map((record) => [record.node, record]),
    );
    const orphans = [...others].flatMap(([name, node]) =>
      (node !== null && online.has(node)) || isReceiving(name) ? [] : [name],
    );
    const ended = new Set(orphans);
    for (const name of this.#kept.keys()) if (!ended.has(name)) this.#kept.delete(name);
    const names = orphans.filter((name) => this.#isDue(name));
    if (names.length === 0) return 0;
    const drained = await drains.list();
    const isAble = (record: NodeRecord) =>
      takeProblem(record, facts, { isDrained: drained.has(record.node) }) === null;
    let gained = 0;
    const placed = placeAll(names, [...online.values()].filter(isAble));
    try {
      await forEachConcurrent(placed, CONCURRENT_CHANGES, async ([name, node]) => {
        const problem = node === facts.node ? await claimProblem(name) : null;
        const isGiven = node === facts.node ? problem === null : await claims.assign(name, node);
        if (isGiven && node === facts.node) gained += 1;
        // Without etcd, nothing is known of it.
        if (!isGiven && problem?.code !== 'cluster_unreachable') this.#noteKept(name);
      });
    } finally {
      if (gained > 0) onGained();
    }
    return gained;
  }

  #isDue(name: string): boolean {
    const kept = this.#kept.get(name);
    return kept === undefined || this.#deps.clock.monotonic() >= kept.at;
  }

  #noteKept(name: string): void {
    const failures = (this.#kept.get(name)?.failures ?? 0) + 1;
    this.#kept.set(name, { failures, at: this.#deps.clock.monotonic() + backoffMs(failures, BACKOFF) });
  }
}
