import type { PhaseReason } from '../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { urlHost } from '../../shared/host.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Claims } from './claims.ts';
import type { Coordinator } from './coordinator.ts';
import { MEMBERS, type NodeRecord, nodeKey, ownersOf, parseNode, parseOwner } from './records.ts';
import { parseRoute, type RouteRecord, routesOf } from './routes/route.ts';

const LOOK_EVERY_MS = 1_000;
/** After which a client of an offline node may try again, in seconds. */
const RETRY_S = 5;

/** Where a database is; `closed` when it was stopped. */
type Route = { state: 'open'; address: string; port: number } | { state: 'closed' | 'failed' | 'deleted' };

/** The other node that runs a database. */
interface OtherNode {
  node: string;
  address: string;
  /** As it was seen last; null while the database moves. */
  route(): Route | null;
  /** As it is now. */
  locate(): Promise<{ address: string; port: number } | null>;
}

/** The node with the control plane. */
export interface Leader {
  node: string;
  /** Of its global PocketBase. */
  url: string;
}

export interface SharedFleetDeps {
  coordinator: Coordinator;
  facts: Pick<NodeRecord, 'node' | 'fleet' | 'takeover' | 'secrets'>;
  controlPlane: string;
  claims: Claims;
  /** As `Claims.problem`, and whether this node has a lease. */
  claimProblem: (name: string) => Promise<PhaseReason | null>;
  mayTakeOver: () => boolean;
  /** Gives databases of nodes that have ended to others. */
  placeOrphans: () => Promise<unknown>;
  onLeaderChanged: () => void;
  clock: Clock;
  log: Logger;
}

/** What this node has to know of the other nodes of its fleet: who has the control plane, and which databases they run. */
export class SharedFleet {
  readonly #deps: SharedFleetDeps;
  #leader: Leader | null = null;
  /** All nodes that joined, by name. */
  #members: ReadonlyMap<string, NodeRecord> = new Map();
  readonly #listeners = new Set<(what?: 'rows') => void>();
  /** By name of the database, as they were seen last. */
  readonly #routes = new Map<string, RouteRecord>();
  readonly #routeListeners = new Set<(names: readonly string[]) => void>();
  /** Whether the members must be read again. */
  #isStale = false;
  #isPlacing = false;
  #admission: {
    admit: (addresses: readonly string[]) => Promise<void>;
    admitted: string;
    problem: string | null;
  } | null = null;

  constructor(deps: SharedFleetDeps) {
    this.#deps = deps;
  }

  /** The node with the control plane; null when it is this one. */
  get leader(): Leader | null {
    return this.#leader;
  }

  /** The other node that runs a database; null for one that this node runs, or may claim. */
  elsewhere(name: string): OtherNode | null {
    const { claims } = this.#deps;
    const node = claims.otherOwnerOf(name) ?? this.#leader?.node ?? null;
    if (node === null || claims.ownershipOf(name) !== null) return null;
    const address = this.#members.get(node)?.address ?? node;
    return {
      node,
      address,
      route: () => this.#routeOf(name, node),
      locate: () => this.#locate(name, node),
    };
  }

  get self(): { node: string; fleet: string } {
    const { node, fleet } = this.#deps.facts;
    return { node, fleet };
  }

  /** Whether another node of this fleet has this address. */
  isNode(address: string): boolean {
    return this.otherAddresses.includes(address);
  }

  /**
   * Where the API of another node is. Without etcd, where it was last.
   *
   * @throws FathomError `cluster.unavailable` when the node is offline, `conflict` when its release does not say it
   */
  async apiOf(node: string): Promise<{ address: string; port: number }> {
    const { coordinator, log } = this.#deps;
    const online = await coordinator.get(nodeKey(node)).then(
      (entry) => entry && parseNode(entry),
      (error: unknown) => {
        log.warn({ node }, `its address may be a former one: ${messageOf(error)}`);
        return this.#members.get(node) ?? null;
      },
    );
    if (online === null)
      throw new FathomError(
        'cluster.unavailable',
        `node ${node} answers this, and is offline; start its daemon, or let another node take over. 'fathomd nodes list' shows all`,
        { retryAfterS: RETRY_S },
      );
    const { address, api_port: port } = online;
    if (port !== undefined) return { address, port };
    throw new FathomError(
      'conflict',
      `node ${node} answers this, and runs Fathom ${online.version}, to which no request is forwarded; use its API`,
    );
  }

  async #locate(name: string, node: string): Promise<{ address: string; port: number } | null> {
    const { coordinator, facts } = this.#deps;
    const entry = await coordinator.get(routesOf(facts.fleet) + name);
    const route = entry && parseRoute(entry);
    if (route?.state !== 'open' || route.node !== node || route.port === null) return null;
    return { address: route.address, port: route.port };
  }

  #routeOf(name: string, node: string): Route | null {
    const route = this.#routes.get(name);
    if (route?.node !== node) return null;
    const { state, address, port, failed } = route;
    if (state === 'deleted') return { state };
    if (state === 'open' && port !== null) return { state, address, port };
    return { state: failed === true ? 'failed' : 'closed' };
  }

  /** Calls `listener` with the names of databases whose routes have changed. */
  onRoutes(listener: (names: readonly string[]) => void): () => void {
    this.#routeListeners.add(listener);
    return () => this.#routeListeners.delete(listener);
  }

  /** Follows the routes of all nodes until the signal aborts. Never rejects. */
  async followRoutes(signal: AbortSignal): Promise<void> {
    const { coordinator, facts, log } = this.#deps;
    const prefix = routesOf(facts.fleet);
    const follow: Parameters<Coordinator['watch']>[1] = (view, changed) => {
      const names: string[] = [];
      let hasNew = false;
      for (const key of changed) {
        const [name, entry] = [key.slice(prefix.length), view.get(key)];
        names.push(name);
        hasNew ||= (this.#routes.get(name)?.state ?? 'deleted') === 'deleted';
        try {
          if (entry === undefined) this.#routes.delete(name);
          else this.#routes.set(name, parseRoute(entry));
        } catch (error) {
          log.warn(messageOf(error));
        }
      }
      for (const listener of this.#routeListeners) listener(names);
      // One that was brought back, too.
      if (hasNew) this.notify('rows');
    };
    await coordinator.watch(prefix, follow, signal);
  }

  /** Of the other nodes of this fleet. */
  get otherAddresses(): string[] {
    const { node, fleet } = this.#deps.facts;
    const others = [...this.#members.values()].filter(
      (member) => member.node !== node && member.fleet === fleet,
    );
    return others.map(({ address }) => address).toSorted();
  }

  /**
   * Lets the other nodes of this fleet use the control plane of this one, also those that join later.
   *
   * @param admit called with the addresses of all of them, again while it fails
   */
  admitOthers(admit: (addresses: readonly string[]) => Promise<void>): void {
    this.#admission = { admit, admitted: '', problem: null };
  }

  /** Calls `listener` when databases may have another owner. `rows`: only rows may be new or gone. */
  onOwners(listener: (what?: 'rows') => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** From now on, the leader places databases of nodes that have ended. Call it when it has claimed those of its start. */
  beginPlacing(): void {
    this.#isPlacing = true;
  }

  lead(): void {
    this.#leader = null;
  }

  /** False when no node has a control plane that this one can use. */
  async follow(): Promise<boolean> {
    this.#leader = await this.#findLeader();
    if (this.#leader === null) return false;
    this.#deps.log.info(
      { node: this.#leader.node },
      'this node is a member: it uses the control plane of another node',
    );
    return true;
  }

  /** Why this node cannot use a control plane now; null when it can, or has it. @throws FathomError `cluster.unavailable` */
  async controlPlaneProblem(): Promise<string | null> {
    const leader = this.#leader;
    if (leader === null || (await this.#findLeader())?.url === leader.url) return null;
    return `this node cannot use the control plane of node ${leader.node}; see 'fathomd nodes list'`;
  }

  /** Calls the listeners if `review` finds another owner of one of these databases. */
  async noticeMoves(names: readonly string[], review: () => Promise<void>): Promise<void> {
    const owners = () => names.map((name) => this.elsewhere(name)?.node);
    const known = () => names.map((name) => this.#deps.claims.otherOwnerOf(name));
    const [before, knownBefore] = [owners(), known()];
    await review();
    if (owners().every((node, index) => node === before[index])) {
      // A new database of the leader, which owned it before this node knew it.
      if (known().some((node, index) => node !== knownBefore[index])) this.notify('rows');
      return;
    }
    this.notify();
    // Last, and best effort: their addresses are known from earlier, and rarely change.
    await this.#refreshMembers().catch((error: unknown) => {
      this.#deps.log.warn(`cannot read the addresses of other nodes: ${messageOf(error)}; trying again`);
    });
  }

  async #refreshMembers(): Promise<void> {
    const before = this.#addresses();
    this.#isStale = true;
    await this.readMembers();
    if (this.#addresses() !== before) this.notify();
  }

  #addresses(): string {
    return [...this.#members.values()].map(({ node, address }) => `${node} ${address}`).join();
  }

  async readMembers(): Promise<void> {
    const members = (await this.#deps.coordinator.list(MEMBERS)).map(parseNode);
    this.#members = new Map(members.map((record) => [record.node, record]));
    this.#isStale = false;
  }

  async #admitNew(): Promise<void> {
    const admission = this.#admission;
    if (admission === null) return;
    await this.readMembers();
    const addresses = this.otherAddresses;
    if (addresses.join() === admission.admitted) return;
    try {
      await admission.admit(addresses);
      this.#deps.log.info({ addresses }, 'other nodes may use the global PocketBase of this node');
      this.#admission = { ...admission, admitted: addresses.join(), problem: null };
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== admission.problem)
        this.#deps.log.warn({ addresses }, `other nodes cannot use the global PocketBase yet: ${problem}`);
      admission.problem = problem;
    }
  }

  /** Follows nodes that have ended: the leader places their databases, a member takes over the control plane. Never rejects. */
  async keep(signal: AbortSignal): Promise<void> {
    const { mayTakeOver, placeOrphans, clock, log } = this.#deps;
    let problem: string | null = null;
    for (;;) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        if (this.#isStale) await this.#refreshMembers();
        if (this.#leader === null) {
          if (this.#isPlacing && mayTakeOver()) await placeOrphans();
          await this.#admitNew();
        } else if (await this.#hasOtherLeader(this.#leader)) return this.#deps.onLeaderChanged();
        problem = null;
      } catch (error) {
        if (!(error instanceof FathomError)) throw error;
        if (problem !== error.message) log.warn(`cannot read the other nodes: ${error.message}`);
        problem = error.message;
      }
    }
  }

  async #hasOtherLeader({ url }: Leader): Promise<boolean> {
    const { claimProblem, controlPlane, mayTakeOver } = this.#deps;
    if (mayTakeOver() && (await claimProblem(controlPlane)) === null) return true;
    const now = await this.#findLeader();
    return now !== null && now.url !== url;
  }

  /** The node is online, has the same secrets, and databases can move between both. */
  async #findLeader(): Promise<Leader | null> {
    const { coordinator, facts, controlPlane } = this.#deps;
    const [owned, routed] = await Promise.all([
      coordinator.get(ownersOf(facts.fleet) + controlPlane),
      coordinator.get(routesOf(facts.fleet) + controlPlane),
    ]);
    const owner = owned && parseOwner(owned);
    const route = routed && parseRoute(routed);
    if (owner === null || owner.node === null || owner.node === facts.node || !facts.takeover) return null;
    if (route?.state !== 'open' || route.epoch !== owner.epoch) return null;
    const online = await coordinator.get(nodeKey(owner.node));
    const record = online && parseNode(online);
    if (record?.takeover !== true || record.secrets !== facts.secrets) return null;
    return { node: owner.node, url: `http://${urlHost(route.address)}:${route.port}` };
  }

  /** Calls the listeners. */
  notify(what?: 'rows'): void {
    for (const listener of this.#listeners) listener(what);
  }
}
