import type { PhaseReason } from '../../shared/api/instances.ts';
import type { ClusterNode, NodeList } from '../../shared/api/nodes.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { Claims, removeNode } from './claims.ts';
import type { Coordinator } from './coordinator.ts';
import { MEMBERS, memberKey, NODES, type NodeRecord, nodeKey, ownersOf, parseNode } from './records.ts';

const RETRY_MS = 1_000;
/** Beyond the session of a daemon that was killed, until its name is regarded as used by another one. */
const NAME_GRACE_MS = 5_000;
/** Renewals in the time of a lease. */
const RENEWALS = 3;

/** What does not change while a daemon runs. */
export type NodeFacts = Pick<NodeRecord, 'node' | 'machine' | 'fleet' | 'address' | 'version' | 'started_at'>;
/** What a node publishes of its load. */
export type NodeLoad = Omit<NodeRecord, keyof NodeFacts | 'at'>;

export interface ClusterDeps {
  coordinator: Coordinator;
  cluster: string;
  facts: NodeFacts;
  /** The instance with which a node owns its fleet. */
  controlPlane: string;
  leaseSeconds: number;
  /** Aborts when the daemon shall stop. Its start does not wait any longer then. */
  stopping: AbortSignal;
  clock: Clock;
  log: Logger;
}

/** What the daemon does for the cluster. */
export interface ClusterHooks {
  load(): NodeLoad;
  /** Another node has this database. It must not run here any longer. */
  onLost(name: string, reason: PhaseReason): void;
}

/**
 * This node of a cluster.
 *
 * ```
 *            join                 claimFleet
 *  waiting ────────▶ registered ────────────▶ owner of its control plane, then of each database that it starts
 *     ▲                  │
 *     └── session ended ─┘
 * ```
 *
 * Databases that run are not stopped when the session ends: without a takeover, no other node starts them.
 */
export class Cluster {
  readonly #deps: ClusterDeps;
  readonly #claims: Claims;
  readonly #left = new AbortController();
  readonly #background: Promise<void>[] = [];
  #hooks: ClusterHooks | null = null;
  #session: string | null = null;
  #waitsFor: string | null = 'etcd, to join the cluster';
  #problem: string | null = null;

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
    const { coordinator, facts, clock } = deps;
    this.#claims = new Claims({ coordinator, node: facts.node, fleet: facts.fleet, clock });
  }

  /** What the start of the daemon waits for; null when it can go on. */
  get waitsFor(): string | null {
    return this.#waitsFor;
  }

  /**
   * Registers this node, and keeps it registered. Waits for etcd, and for the end of the session of an earlier daemon.
   *
   * @throws FathomError `conflict` when another server has the name
   */
  async join(hooks: ClusterHooks): Promise<void> {
    this.#hooks = hooks;
    const { coordinator, facts, log } = this.#deps;
    await this.#retry(async () => {
      await this.#requireOwnName();
      await this.#register();
      await this.#claims.load();
    });
    log.info({ node: facts.node, cluster: this.#deps.cluster }, 'the node has joined the cluster');
    let reviews = Promise.resolve();
    const watch = coordinator.watch(
      ownersOf(facts.fleet),
      (view, changed) => {
        reviews = reviews.then(() => this.#review(view, changed));
      },
      this.#left.signal,
    );
    this.#background.push(this.#keepRegistered(), watch);
  }

  /**
   * Claims the control plane, and with it the fleet. Waits while another node owns it.
   *
   * @param onRefused called when another node owns it: nothing of this fleet may run here
   */
  async claimFleet(onRefused: () => Promise<void>): Promise<void> {
    const { controlPlane } = this.#deps;
    let isRefused = false;
    await this.#retry(async () => {
      const reason = await this.#claims.problem(controlPlane);
      if (reason === null) return;
      if (reason.code === 'owned_elsewhere' && !isRefused) {
        isRefused = true;
        await onRefused();
      }
      throw new FathomError('cluster.unavailable', reason.message);
    });
    this.#waitsFor = null;
  }

  /** Why a database must not be started here. Claims one without an owner. */
  startProblem(name: string): Promise<PhaseReason | null> {
    return this.#claims.problem(name);
  }

  /** Forgets databases that no longer exist. Best effort: the next start of the daemon does it again. */
  async prune(exists: (name: string) => boolean): Promise<void> {
    const { controlPlane, log } = this.#deps;
    await this.#claims
      .prune((name) => name === controlPlane || exists(name))
      .catch((error: unknown) => {
        log.warn(`cannot remove deleted databases from etcd: ${messageOf(error)}`);
      });
  }

  /** @throws FathomError `cluster.unavailable` */
  async nodes(): Promise<NodeList> {
    const { coordinator, cluster, facts } = this.#deps;
    const [members, online] = await Promise.all([coordinator.list(MEMBERS), coordinator.list(NODES)]);
    const nodes = new Map<string, ClusterNode>();
    for (const entry of members) {
      const record = parseNode(entry);
      nodes.set(record.node, toNode(record, 'offline'));
    }
    for (const entry of online) {
      const record = parseNode(entry);
      nodes.set(record.node, toNode(record, 'online'));
    }
    const items = [...nodes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return { cluster, node: facts.node, problem: this.#problem, items };
  }

  /** Removes a node that is off. @throws FathomError `not_found`, `conflict`, `cluster.unavailable` */
  async remove(node: string): Promise<{ databases: number }> {
    const { coordinator, clock, controlPlane, log } = this.#deps;
    if ((await coordinator.get(memberKey(node))) === null)
      throw new FathomError('not_found', `there is no node named '${node}'; 'fathomd nodes list' shows all`);
    if ((await coordinator.get(nodeKey(node))) !== null)
      throw new FathomError('conflict', `node ${node} is online; stop its daemon and its databases first`);
    const databases = await removeNode(node, { coordinator, clock, last: controlPlane });
    log.warn({ node, databases }, 'a node was removed from the cluster');
    return { databases };
  }

  /** Ends the session. Call this after the instances have ended. */
  async leave(): Promise<void> {
    this.#left.abort();
    const { coordinator, log } = this.#deps;
    await Promise.all(this.#background);
    if (this.#session !== null) {
      await coordinator.closeSession(this.#session).catch((error: unknown) => {
        log.warn(`cannot leave the cluster: ${messageOf(error)}; the session ends by itself`);
      });
    }
    coordinator.close();
  }

  async #requireOwnName(): Promise<void> {
    const { coordinator, facts } = this.#deps;
    const entry = await coordinator.get(memberKey(facts.node));
    const member = entry && parseNode(entry);
    if (member === null || member.machine === facts.machine) return;
    throw new FathomError(
      'conflict',
      `the node name ${facts.node} belongs to another server or data directory (address ${member.address}, joined ${member.started_at}); set FATHOM_NODE to another name`,
    );
  }

  /** @throws FathomError `conflict` when another daemon has the name, `cluster.unavailable` */
  async #register(): Promise<void> {
    const { coordinator, facts, leaseSeconds, clock } = this.#deps;
    const key = nodeKey(facts.node);
    const until = clock.monotonic() + leaseSeconds * 1000 + NAME_GRACE_MS;
    for (;;) {
      const session = await coordinator.openSession(leaseSeconds);
      const value = this.#record();
      const isRegistered = await coordinator.commit({
        expect: [{ key, revision: 0 }],
        put: [
          { key, value, session },
          { key: memberKey(facts.node), value },
        ],
      });
      if (isRegistered) {
        this.#session = session;
        return;
      }
      await coordinator.closeSession(session);
      const entry = await coordinator.get(key);
      const other = entry && parseNode(entry);
      if (other !== null && clock.monotonic() > until)
        throw new FathomError(
          'conflict',
          `another daemon runs as node ${facts.node} (address ${other.address}, started ${other.started_at}); set FATHOM_NODE to another name`,
        );
      await clock.sleep(RETRY_MS, this.#left.signal);
      this.#left.signal.throwIfAborted();
    }
  }

  /** Renews the session and publishes the load. Takes a new session when it has ended. */
  async #keepRegistered(): Promise<void> {
    const { clock, leaseSeconds, log } = this.#deps;
    const { signal } = this.#left;
    for (;;) {
      await clock.sleep((leaseSeconds * 1000) / RENEWALS, signal);
      if (signal.aborted) return;
      try {
        await this.#renew();
        if (this.#problem !== null) log.info('the cluster answers again');
        this.#problem = null;
      } catch (error) {
        if (signal.aborted) return;
        if (this.#problem === null)
          log.error(`the node is not registered: ${messageOf(error)}; trying again`);
        this.#problem = messageOf(error);
      }
    }
  }

  async #renew(): Promise<void> {
    const { coordinator, facts, log } = this.#deps;
    const session = this.#session;
    const put = [{ key: nodeKey(facts.node), value: this.#record(), ...(session && { session }) }];
    if (
      session !== null &&
      (await coordinator.renewSession(session)) &&
      (await coordinator.commit({ expect: [], put }))
    )
      return;
    log.warn('the session of this node has ended; it joins again');
    this.#session = null;
    // It was removed, and another server has its name.
    await this.#requireOwnName();
    await this.#register();
  }

  async #review(...args: Parameters<Claims['review']>): Promise<void> {
    const { log } = this.#deps;
    try {
      for (const { name, reason } of await this.#claims.review(...args)) {
        if (reason.code === 'cluster_unreachable') log.warn({ instance: name }, reason.message);
        else this.#hooks?.onLost(name, reason);
      }
    } catch (error) {
      log.error(`cannot read owners: ${messageOf(error)}`);
    }
  }

  /** Repeats what needs etcd until it succeeds. `waitsFor` shows why it waits. */
  async #retry(work: () => Promise<void>): Promise<void> {
    const { clock, log, stopping } = this.#deps;
    for (;;) {
      stopping.throwIfAborted();
      try {
        await work();
        return;
      } catch (error) {
        if (!(error instanceof FathomError) || error.code !== 'cluster.unavailable') throw error;
        const waitsFor = `the cluster: ${error.message}`;
        if (this.#waitsFor !== waitsFor) log.warn(`the daemon waits for ${waitsFor}`);
        this.#waitsFor = waitsFor;
        await clock.sleep(RETRY_MS, stopping);
      }
    }
  }

  #record(): string {
    const { facts, clock } = this.#deps;
    if (this.#hooks === null) throw new Error('the node has not joined');
    const record: NodeRecord = { ...facts, ...this.#hooks.load(), at: clock.now().toISOString() };
    return JSON.stringify(record);
  }
}

function toNode(record: NodeRecord, state: ClusterNode['state']): ClusterNode {
  const { node: name, at: seen_at } = record;
  // The schema of the route leaves the rest out.
  return { ...record, name, state, seen_at };
}
