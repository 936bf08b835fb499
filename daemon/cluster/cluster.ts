import type { PhaseReason } from '../../shared/api/instances.ts';
import type { NodeList } from '../../shared/api/nodes.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { forEachConcurrent } from '../base/concurrent.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { Claims, type LostDatabase, type Ownership } from './claims.ts';
import type { Coordinator } from './coordinator.ts';
import { Handovers, type ReceiveCopy } from './handovers.ts';
import { keepLacking } from './moves/owned-records.ts';
import { Refusals } from './moves/refusals.ts';
import { removeOffline } from './moves/remove-node.ts';
import { readNodes } from './node-list.ts';
import { OwnerReviews } from './owner-reviews.ts';
import { Drains } from './placement/drains.ts';
import { Orphans } from './placement/orphans.ts';
import { LACKS, type Lack, type NodeRecord, ownersOf } from './records.ts';
import { type NodeFacts, Registration } from './registration.ts';
import { RouteWriter } from './routes/route-writer.ts';
import { SharedFleet } from './shared-fleet.ts';

const RETRY_MS = 1_000;
const CONCURRENT_CLAIMS = 16;

/** What a node publishes of its load. */
export type NodeLoad = Omit<NodeRecord, keyof NodeFacts | 'at' | 'serves' | 'drain' | 'receiving'>;

export interface ClusterDeps {
  coordinator: Coordinator;
  cluster: string;
  facts: NodeFacts;
  /** The instance with which a node owns its fleet. */
  controlPlane: string;
  leaseSeconds: number;
  /** Whether the databases end with the lease. */
  isFenced: boolean;
  /** Whether this node may run databases of the control plane of another node. */
  mayFollow?: boolean;
  /** Records with files that they are those of the owner with an epoch. */
  writeEpoch: (directory: string, epoch: number) => Promise<void>;
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
  /** The databases may run until a monotonic time. */
  onLease(until: number): void;
  /** The databases must end at once. */
  onLeaseOver(): void;
  /** Makes the files of a database those of its last owner. Its process does not run. */
  prepareCopy(name: string): Promise<void>;
  receiveCopy?: ReceiveCopy;
  /** The control plane, which was on another node, is on a third one now, or this node has claimed it. */
  onLeaderChanged?(): void;
}

/**
 * This node of a cluster.
 *
 * ```
 *            join                 claimFleet
 *  waiting ────────▶ registered ────────────▶ owner of its control plane, then of each database that it starts
 *     ▲                  │       │
 *     └── session ended ─┘       └▶ member: uses the control plane of its owner, and runs the databases that it owns itself
 * ```
 *
 * With a fence, all databases end when the lease is over, and start again with the next one. Without it, they run on: no
 * other node starts them.
 */
export class Cluster {
  /** Where the instances of this node are reached. */
  readonly routes: RouteWriter;
  readonly share: SharedFleet;
  readonly handovers: Handovers;
  readonly drains: Drains;
  readonly #deps: ClusterDeps;
  readonly #claims: Claims;
  readonly #left = new AbortController();
  readonly #background: Promise<void>[] = [];
  /** Names whose replicas could not be recorded. */
  readonly #unrecorded = new Set<string>();
  #hooks: ClusterHooks | null = null;
  #registration: Registration | null = null;
  #waitsFor: string | null = 'etcd, to join the cluster';
  #isStopping = false;

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
    const { coordinator, facts, clock } = deps;
    this.#claims = new Claims({ coordinator, facts, clock });
    this.routes = new RouteWriter({
      ...deps,
      // Without a fence, databases run on without a session.
      session: () => (deps.isFenced ? (this.#registration?.session ?? null) : null),
      epochOf: (name) => this.#claims.ownershipOf(name)?.epoch ?? null,
    });
    const publish = async () => this.#registration?.publish();
    const refusals = new Refusals(clock);
    this.drains = new Drains({ ...deps, claims: this.#claims, publish, refusals });
    const orphans = new Orphans({
      ...deps,
      claims: this.#claims,
      claimProblem: (name) => this.#claimProblem(name),
      drains: this.drains,
      isReceiving: (name) => this.handovers.isReceiving(name),
      onGained: () => this.share.notify(),
    });
    this.share = new SharedFleet({
      ...deps,
      placeOrphans: () => orphans.place(),
      claims: this.#claims,
      claimProblem: (name) => this.#claimProblem(name),
      mayTakeOver: () =>
        this.allowsTakeover && !this.#isStopping && (!deps.isFenced || this.#registration?.hasLease === true),
      onLeaderChanged: () => this.#hooks?.onLeaderChanged?.(),
    });
    this.handovers = new Handovers({
      ...deps,
      claims: this.#claims,
      serves: () => this.#serves && this.#hooks?.receiveCopy !== undefined,
      controlPlaneProblem: () => this.share.controlPlaneProblem(),
      refusals,
      receiveCopy: async (...wanted) => this.#hooks?.receiveCopy?.(...wanted),
      onReceived: () => this.share.notify(),
      left: this.#left.signal,
    });
  }

  /** What the start of the daemon waits for; null when it can go on. */
  get waitsFor(): string | null {
    return this.#waitsFor;
  }

  /** Whether this node runs databases, and takes those of others. */
  get #serves(): boolean {
    return this.#waitsFor === null && !this.#isStopping;
  }

  /** From now on, this node gets no more databases. Call it when the stop of the daemon begins. */
  beginStop(): void {
    this.#isStopping = true;
    void this.#registration?.publish();
  }

  /**
   * Registers this node, and keeps it registered. Waits for etcd, and for the end of the session of an earlier daemon.
   *
   * @throws FathomError `conflict` when another server has the name
   */
  async join(hooks: ClusterHooks): Promise<void> {
    this.#hooks = hooks;
    const { coordinator, cluster, facts, isFenced, clock, log } = this.#deps;
    const registration = new Registration({
      ...this.#deps,
      record: () => ({
        ...facts,
        ...hooks.load(),
        serves: this.#serves,
        ...(this.drains.progress === null ? {} : { drain: this.drains.progress }),
        ...(this.handovers.receiving.length === 0 ? {} : { receiving: this.handovers.receiving }),
        at: clock.now().toISOString(),
      }),
      onSession: async () => {
        this.#reportLost(await this.#claims.load(), hooks);
        this.routes.noteSession();
        await this.share.readMembers();
        // Reviews do not see the changes that the load has noticed.
        this.share.notify();
      },
      onLease: (until) => {
        if (isFenced) hooks.onLease(until);
      },
      onLeaseOver: () => {
        if (isFenced) hooks.onLeaseOver();
      },
      left: this.#left.signal,
    });
    this.#registration = registration;
    await this.#retry(() => registration.begin());
    log.info({ node: facts.node, cluster }, 'the node has joined the cluster');
    const reviews = new OwnerReviews({
      ...this.#deps,
      share: this.share,
      routes: this.routes,
      handovers: this.handovers,
      claims: this.#claims,
      reportLost: (lost) => this.#reportLost(lost, hooks),
      mayGain: () => this.#serves,
      left: this.#left.signal,
    });
    const watch = coordinator.watch(
      ownersOf(facts.fleet),
      (view, changed) => reviews.note(view, changed),
      this.#left.signal,
    );
    this.#background.push(registration.keep(), watch, this.drains.keep(this.#left.signal));
  }

  /**
   * Claims the control plane, and with it the fleet. While another node owns it, this node waits, or becomes a member.
   *
   * @param onRefused called when another node owns it: nothing of this fleet may run here, except what `mayRun` says
   */
  async claimFleet(onRefused: (mayRun: (name: string) => boolean) => Promise<void>): Promise<void> {
    const { controlPlane, mayFollow = false } = this.#deps;
    let isRefused = false;
    await this.#retry(async () => {
      const reason = await this.#claimProblem(controlPlane);
      if (reason === null) return this.share.lead();
      if (reason.code === 'owned_elsewhere' && !isRefused) {
        await onRefused((name) => mayFollow && this.ownershipOf(name) !== null);
        if (!mayFollow) await this.#claims.freeReplicated();
        isRefused = true;
      }
      if (!mayFollow || !(await this.share.follow()))
        throw new FathomError('cluster.unavailable', reason.message);
    });
    this.#waitsFor = null;
    await this.#registration?.publish();
    const { signal } = this.#left;
    this.#background.push(this.share.keep(signal), this.share.followRoutes(signal), this.handovers.keep());
  }

  /** Why a database must not be started here. Claims one without an owner, and makes its files those of the last owner. */
  async startProblem(name: string): Promise<PhaseReason | null> {
    const reason = await this.#claimProblem(name);
    if (reason !== null || !this.allowsTakeover) return reason;
    try {
      await this.#hooks?.prepareCopy(name);
      // It can have waited for others.
      return await this.#claimProblem(name);
    } catch (error) {
      return {
        code: 'replica_unavailable',
        message: `it was not restored from the replica of its last owner: ${messageOf(error)}`,
      };
    }
  }

  async #claimProblem(name: string): Promise<PhaseReason | null> {
    const registration = this.#registration;
    if (this.#deps.isFenced && registration?.hasLease !== true)
      return {
        code: 'cluster_unreachable',
        message: `the lease of this node is over: ${registration?.problem ?? 'it joins again'}`,
      };
    return this.#claims.problem(name);
  }

  /** What this node knows of a database that it owns, otherwise null. */
  ownershipOf(name: string): Ownership | null {
    return this.#claims.ownershipOf(name);
  }

  get fleet(): string {
    return this.#deps.facts.fleet;
  }

  /** Whether no other node can have a database now. */
  holds(name: string): boolean {
    return this.ownershipOf(name) !== null && (!this.#deps.isFenced || this.#registration?.hasLease === true);
  }

  /** Whether other nodes may take over the databases of this one, which needs replicas of them. */
  get allowsTakeover(): boolean {
    return this.#deps.facts.takeover;
  }

  /** Claims all databases of the fleet, unless this node is a member. Resolves with those that it owns now. */
  async claimAll(): Promise<string[]> {
    const isMember = this.share.leader !== null;
    const names = isMember ? this.#claims.ownedNames() : await this.#claims.names();
    const owned: string[] = [];
    await forEachConcurrent(names, CONCURRENT_CLAIMS, async (name) => {
      const reason = await this.#claimProblem(name);
      if (reason === null) owned.push(name);
      else this.#deps.log.warn({ instance: name }, reason.message);
    });
    this.share.beginPlacing();
    return owned;
  }

  /**
   * Records that a replica is complete, so that another node can take over the database. Best effort: call it again and again.
   *
   * @param replica.path below REPLICA
   */
  async recordReplica(replica: { name: string; directory: string; path: string }): Promise<void> {
    const { name, directory, path } = replica;
    const ownership = this.ownershipOf(name);
    const isKnown = ownership?.source === path && ownership.lacks?.includes('changes') !== true;
    if (ownership === null || isKnown) return;
    try {
      // Before: with a source and another epoch, the files here would be replaced.
      await this.#deps.writeEpoch(directory, ownership.epoch);
      if (await this.#claims.recordSource(name, path)) this.#unrecorded.delete(name);
    } catch (error) {
      if (this.#unrecorded.has(name)) return;
      this.#unrecorded.add(name);
      this.#deps.log.warn({ instance: name }, `cannot record its replica in etcd: ${messageOf(error)}`);
    }
  }

  /** All uploaded files of a database are stored. Best effort: the next start of the daemon does it again. */
  async noteStored(name: string): Promise<void> {
    const { source = null, lacks } = this.ownershipOf(name) ?? {};
    if (source === null || lacks?.includes('files') !== true) return;
    await this.#claims.recordSource(name, source, 'files').catch((error: unknown) => {
      this.#deps.log.warn({ instance: name }, `no other node can take it over yet: ${messageOf(error)}`);
    });
  }

  /** The names of the databases that this node owns. */
  ownedNames(): string[] {
    return this.#claims.ownedNames();
  }

  /**
   * Forgets databases that no longer exist. Best effort: the next start of the daemon does it again.
   *
   * @param names owned before it was read which exist: this node can have others since
   */
  async prune(names: readonly string[], exists: (name: string) => boolean): Promise<void> {
    const { controlPlane, log } = this.#deps;
    await this.#claims
      .prune(names.filter((name) => name !== controlPlane && !exists(name)))
      .catch((error: unknown) => {
        log.warn(`cannot remove deleted databases from etcd: ${messageOf(error)}`);
      });
  }

  /** @throws FathomError `cluster.unavailable` */
  async nodes(): Promise<NodeList> {
    const { coordinator, cluster, facts, controlPlane } = this.#deps;
    const [items, etcd] = await Promise.all([readNodes(coordinator, controlPlane), coordinator.servers()]);
    return { cluster, node: facts.node, problem: this.#registration?.problem ?? null, etcd, items };
  }

  /** Removes a node that is off. @throws FathomError `not_found`, `conflict`, `cluster.unavailable` */
  async remove(node: string): Promise<{ databases: number }> {
    const { coordinator, clock, controlPlane, log } = this.#deps;
    const databases = await removeOffline(node, { coordinator, clock, last: controlPlane });
    log.warn({ node, databases }, 'a node was removed from the cluster');
    return { databases };
  }

  /**
   * Keeps databases with this node that ran without replication: no other node takes them over.
   *
   * @returns false when that could not be recorded
   */
  async keepUnreplicated(names: readonly string[]): Promise<boolean> {
    if (!this.allowsTakeover) return true;
    return keepLacking(new Map(names.map((name) => [name, LACKS])), this.#deps);
  }

  /**
   * Ends the session, after the instances have ended.
   *
   * @param instances `leave` keeps the session for the next daemon, which takes over the instances that still run
   * @param lacking by name: what replicas lack, so that no other node takes over these databases; null when that is not known
   */
  async leave(
    instances: 'stop' | 'leave',
    lacking: ReadonlyMap<string, readonly Lack[]> | null,
  ): Promise<void> {
    this.#left.abort();
    await Promise.all(this.#background);
    if (instances === 'stop') {
      const allowsTakeover = this.allowsTakeover && (await keepLacking(lacking, this.#deps));
      await this.#registration?.end({ allowsTakeover });
    }
    this.#deps.coordinator.close();
  }

  #reportLost(lost: readonly LostDatabase[], hooks: ClusterHooks): void {
    for (const { name, reason } of lost) {
      if (reason.code === 'cluster_unreachable') this.#deps.log.warn({ instance: name }, reason.message);
      else hooks.onLost(name, reason);
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
}
