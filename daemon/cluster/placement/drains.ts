import type { DrainProgress, DrainPurpose } from '../../../shared/api/nodes.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Claims } from '../claims.ts';
import type { Coordinator, Entry } from '../coordinator.ts';
import type { Refusals } from '../moves/refusals.ts';
import {
  DRAINS,
  type DrainRecord,
  drainKey,
  MEMBERS,
  memberKey,
  NODES,
  type NodeRecord,
  parseDrain,
  parseNode,
} from '../records.ts';
import { chooseNode, takeProblem, withMore } from './choose-node.ts';
import { rebalanceTarget } from './rebalance.ts';
import { upgradeProblems } from './upgrade-checks.ts';

/** Changes of other nodes can come between. */
const ATTEMPTS = 5;

export interface DrainsDeps {
  coordinator: Coordinator;
  facts: Pick<NodeRecord, 'node' | 'fleet' | 'takeover' | 'secrets'>;
  /** Publishes the record of this node now. Never rejects. */
  publish: () => Promise<void>;
  claims: Pick<Claims, 'counts'>;
  /** Which nodes have not taken databases of this one. */
  refusals: Pick<Refusals, 'of' | 'nodes'>;
  controlPlane: string;
  clock: Clock;
  log: Logger;
}

/**
 * Which nodes are drained: they give their databases away, take over nothing, and get nothing. It is an entry in etcd, which any
 * node writes. The node that is drained follows it:
 *
 * ```
 *  nodes drain n1 ──▶ drains/n1 ──▶ n1 moves its databases, and publishes its progress ──▶ none is left
 *                         │                                                                   │
 *                         └───────────────── removed by nodes undrain n1 ◀────────────────────┘
 * ```
 */
export class Drains {
  readonly #deps: DrainsDeps;
  /** By node: the revision of its entry. */
  #drained: ReadonlyMap<string, number> = new Map();
  #progress: DrainProgress | null = null;

  constructor(deps: DrainsDeps) {
    this.#deps = deps;
  }

  /** Whether this node is drained, as far as it knows. */
  get isDrained(): boolean {
    return this.request !== null;
  }

  /** Differs for each request to drain this node; null while it is not drained. */
  get request(): number | null {
    return this.#drained.get(this.#deps.facts.node) ?? null;
  }

  /** Null while this node is not drained, or has not looked at its databases since. */
  get progress(): DrainProgress | null {
    return this.#progress;
  }

  /** Follows the entries until the signal aborts. Never rejects. */
  keep(signal: AbortSignal): Promise<void> {
    const follow = (view: ReadonlyMap<string, Entry>) => {
      this.#drained = new Map(
        [...view.values()].map(({ key, revision }) => [key.slice(DRAINS.length), revision]),
      );
    };
    return this.#deps.coordinator.watch(DRAINS, follow, signal);
  }

  /** Publishes how far this node is; null when it is not drained. */
  report(progress: DrainProgress | null): void {
    if (JSON.stringify(progress) === JSON.stringify(this.#progress)) return;
    this.#progress = progress;
    void this.#deps.publish();
  }

  /** That of an earlier drain would say that nothing is left. */
  async #forgetProgress(): Promise<void> {
    this.#progress = null;
    await this.#deps.publish();
  }

  /** Since when and for what each node is drained. @throws FathomError `cluster.unavailable` */
  async list(): Promise<Map<string, DrainRecord>> {
    const entries = await this.#deps.coordinator.list(DRAINS);
    return new Map(entries.map((entry) => [entry.key.slice(DRAINS.length), parseDrain(entry)]));
  }

  /**
   * Drains a node. For one that is drained, this is a request to try again now what could not move. One that an administrator
   * drains is not drained for an upgrade any more, and one that was drained for maintenance stays so in an upgrade.
   *
   * @throws FathomError `not_found`, `conflict` when no other node can take its databases, or when a node is not upgraded now,
   * `cluster.unavailable`
   */
  async begin(node: string, purpose: DrainPurpose = 'maintenance'): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (!(await this.#tryBegin(node, purpose))) continue;
      if (node === this.#deps.facts.node) await this.#forgetProgress();
      return this.#deps.log.warn({ node, purpose }, 'the node is drained: its databases move to other nodes');
    }
    throw new FathomError('conflict', `${node} or another node joins, is drained or removed; try again`);
  }

  /** @returns false when something has changed meanwhile */
  async #tryBegin(node: string, purpose: DrainPurpose): Promise<boolean> {
    const { coordinator, clock } = this.#deps;
    const member = await this.#member(node);
    const peers = purpose === 'upgrade' ? await this.#requireUpgradable(node) : [];
    const { problems, able } = await this.#others(parseNode(member));
    const [first] = able;
    if (first === undefined)
      throw new FathomError(
        'conflict',
        `no other node can take the databases of ${node}: ${problems.join('; ') || 'no other node is online'}; start another node, or undrain one`,
      );
    const key = drainKey(node);
    const known = await coordinator.get(key);
    const before = known === null ? { since: clock.now().toISOString(), purpose } : parseDrain(known);
    const record = purpose === 'maintenance' ? { ...before, purpose } : before;
    return coordinator.commit({
      expect: [
        { key, revision: known?.revision ?? 0 },
        // A node that is removed meanwhile must not leave the entry.
        { key: member.key, revision: member.revision },
        // The other one could be drained at the same moment: then none would take databases.
        ...[...new Set([first.node, ...peers])].map((other) => ({ key: drainKey(other), revision: 0 })),
      ],
      put: [{ key, value: JSON.stringify(record) }],
    });
  }

  /** @returns the other nodes of the fleet, of which none is drained @throws FathomError `conflict`, `cluster.unavailable` */
  async #requireUpgradable(node: string): Promise<string[]> {
    const { coordinator } = this.#deps;
    const [members, online, drains] = await Promise.all([
      coordinator.list(MEMBERS),
      coordinator.list(NODES),
      this.list(),
    ]);
    const records = new Map([...members, ...online].map(parseNode).map((record) => [record.node, record]));
    const names = new Set(online.map((entry) => parseNode(entry).node));
    const states = [...records.values()].map((record) => ({
      record,
      isOnline: names.has(record.node),
      purpose: drains.get(record.node)?.purpose ?? null,
    }));
    const { problems, peers } = upgradeProblems(node, states);
    if (problems.length === 0) return peers;
    throw new FathomError('conflict', `node ${node} is not upgraded now: ${problems.join('; ')}`);
  }

  /** @throws FathomError `not_found`, `cluster.unavailable` */
  async end(node: string): Promise<void> {
    await this.#member(node);
    await this.#deps.coordinator.commit({ expect: [], remove: [drainKey(node)] });
    this.#deps.log.info({ node }, 'the node is not drained any more');
  }

  /**
   * The node that gets a database of this one; null when none can take it. Nodes that have just refused it get it only when all
   * others have done so too: first the one that refused it the longest time ago.
   *
   * @param placed numbers of databases that nodes get, and that their loads do not show yet
   * @throws FathomError `cluster.unavailable`
   */
  async chooseTarget(name: string, placed: ReadonlyMap<string, number>): Promise<string | null> {
    const { able } = await this.#others(this.#deps.facts);
    const refused = [...this.#deps.refusals.of(name).keys()];
    const willing = able.filter(({ node }) => !refused.includes(node));
    const chosen = chooseNode(willing.map((one) => withMore(one, placed.get(one.node) ?? 0)));
    return chosen ?? refused.find((node) => able.some((one) => one.node === node)) ?? null;
  }

  /** By node: why it has not taken a database of this one lately. */
  refusalsOf(name: string): ReadonlyMap<string, string> {
    return this.#deps.refusals.of(name);
  }

  /**
   * The node that gets a database of this one, because it has fewer for its memory; null when none has. One that has just
   * refused a database gets none: it probably refuses the next one, too.
   *
   * @throws FathomError `cluster.unavailable`
   */
  async rebalanceTarget(): Promise<string | null> {
    const { own, able } = await this.#others(this.#deps.facts);
    const refused = this.#deps.refusals.nodes();
    const willing = able.filter(({ node }) => !refused.has(node));
    // Published numbers are older, so that a node would get too many.
    const counts = this.#deps.claims.counts(this.#deps.controlPlane);
    const counted = (record: NodeRecord) => ({ ...record, databases: counts.get(record.node) ?? 0 });
    return own === null ? null : rebalanceTarget(counted(own), willing.map(counted));
  }

  async #member(node: string) {
    const entry = await this.#deps.coordinator.get(memberKey(node));
    if (entry !== null) return entry;
    throw new FathomError('not_found', `there is no node named '${node}'; 'fathomd nodes list' shows all`);
  }

  async #others(
    giver: Pick<NodeRecord, 'node' | 'fleet' | 'takeover' | 'secrets'>,
  ): Promise<{ own: NodeRecord | null; able: NodeRecord[]; problems: string[] }> {
    const [entries, drained] = await Promise.all([this.#deps.coordinator.list(NODES), this.list()]);
    const able: NodeRecord[] = [];
    const problems: string[] = [];
    const records = entries.map(parseNode);
    for (const record of records) {
      if (record.node === giver.node) continue;
      const problem = takeProblem(record, giver, { isDrained: drained.has(record.node) });
      if (problem === null) able.push(record);
      else problems.push(`${record.node}: ${problem}`);
    }
    return { own: records.find(({ node }) => node === giver.node) ?? null, able, problems };
  }
}
