import { FathomError, messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Coordinator, Entry } from './coordinator.ts';
import { memberKey, type NodeRecord, nodeKey, parseNode } from './records.ts';

const RETRY_MS = 1_000;
/** Beyond the session of a daemon that was killed, until its name is regarded as used by another one. */
const NAME_GRACE_MS = 5_000;
/** Renewals in the time of a lease. */
const RENEWALS = 4;
/** Before the end of the session in etcd, for the end of all processes. */
const MARGIN_MS = 1_000;

/** What does not change while a daemon runs. */
export type NodeFacts = Pick<
  NodeRecord,
  | 'node'
  | 'machine'
  | 'boot'
  | 'fleet'
  | 'address'
  | 'api_port'
  | 'version'
  | 'started_at'
  | 'takeover'
  | 'secrets'
>;

export interface RegistrationDeps {
  coordinator: Coordinator;
  facts: NodeFacts;
  leaseSeconds: number;
  /** Its record, as it is now. */
  record: () => NodeRecord;
  /** Called with each session, before its lease counts. */
  onSession: () => Promise<void>;
  /** The lease lasts until a monotonic time. */
  onLease: (until: number) => void;
  /** No lease was renewed in time. Called once until the next one. */
  onLeaseOver: () => void;
  /** Aborts when the node leaves. */
  left: AbortSignal;
  clock: Clock;
  log: Logger;
}

/**
 * The session of this node, and its lease: the time for which etcd keeps the session, counted from when its last renewal was
 * sent. So it is over here before it is in etcd.
 */
export class Registration {
  readonly #deps: RegistrationDeps;
  #session: string | null = null;
  #until = Number.NEGATIVE_INFINITY;
  #isOver = true;
  #problem: string | null = null;
  /** Why the last record was not published. */
  #unpublished: string | null = null;
  #published: Promise<void> = Promise.resolve();

  constructor(deps: RegistrationDeps) {
    this.#deps = deps;
  }

  /** Why the node is not registered now, or its state is not published; null when both are. */
  get problem(): string | null {
    return this.#problem ?? this.#unpublished;
  }

  /** Null while there is none. */
  get session(): string | null {
    return this.#session;
  }

  get hasLease(): boolean {
    return this.#deps.clock.monotonic() < this.#until;
  }

  /** @throws FathomError `conflict` when another server or daemon has the name, `cluster.unavailable` */
  async begin(): Promise<void> {
    await this.#requireOwnName();
    const sentAt = await this.#register();
    try {
      await this.#deps.onSession();
    } catch (error) {
      // A renewal would give it a lease without that call.
      this.#session = null;
      throw error;
    }
    this.#setLease(sentAt + this.#leaseMs);
  }

  /** Renews the session, and publishes the load, until the node leaves. Takes a new session when it has ended. */
  async keep(): Promise<void> {
    await Promise.all([this.#keepSession(), this.#keepRecord(), this.#watchLease()]);
  }

  /** Publishes what has changed. Never rejects. */
  async publish(): Promise<void> {
    // One after the other: an earlier record must not replace a later one.
    this.#published = this.#published.then(() => this.#put());
    return this.#published;
  }

  /** Never rejects. */
  async #put(): Promise<void> {
    const { coordinator, facts, record, log } = this.#deps;
    const session = this.#session;
    if (session === null) return;
    try {
      const put = [{ key: nodeKey(facts.node), value: JSON.stringify(record()), session }];
      await coordinator.commit({ expect: [], put });
      this.#unpublished = null;
    } catch (error) {
      // A problem is logged once, not with every try.
      if (this.problem === null)
        log.error(`the state of this node is published later: ${messageOf(error)}; trying again`);
      this.#unpublished = messageOf(error);
    }
  }

  /**
   * Ends the session. Other nodes see that this one is offline.
   *
   * @param allowsTakeover false keeps the databases with this node until it comes back, or is removed
   */
  async end({ allowsTakeover }: { allowsTakeover: boolean }): Promise<void> {
    const { coordinator, facts, record, log } = this.#deps;
    const session = this.#session;
    try {
      const value = JSON.stringify({ ...record(), takeover: allowsTakeover });
      // Also without a session: that of an earlier daemon can be there.
      if (facts.takeover && !allowsTakeover)
        await coordinator.commit({ expect: [], put: [{ key: memberKey(facts.node), value }] });
      if (session !== null) await coordinator.closeSession(session);
    } catch (error) {
      log.warn(`cannot leave the cluster: ${messageOf(error)}; the session ends by itself`);
    }
  }

  get #leaseMs(): number {
    return this.#deps.leaseSeconds * 1000 - MARGIN_MS;
  }

  #setLease(until: number): void {
    this.#until = until;
    this.#isOver = false;
    this.#deps.onLease(until);
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

  /** @returns when the lease began */
  async #register(): Promise<number> {
    const { coordinator, facts, leaseSeconds, left, clock } = this.#deps;
    const key = nodeKey(facts.node);
    const until = clock.monotonic() + leaseSeconds * 1000 + NAME_GRACE_MS;
    for (;;) {
      const former = await coordinator.get(key);
      const other = former && parseNode(former);
      const sentAt = clock.monotonic();
      if (former === null) {
        const session = await coordinator.openSession(leaseSeconds);
        if (await this.#commit(session, 0)) return sentAt;
        await coordinator.closeSession(session);
      } else if (this.#isOwn(former) && (await this.#continue(former))) return sentAt;
      else if (other !== null && clock.monotonic() > until)
        throw new FathomError(
          'conflict',
          `another daemon runs as node ${facts.node} (address ${other.address}, started ${other.started_at}); set FATHOM_NODE to another name`,
        );
      await clock.sleep(RETRY_MS, left);
      left.throwIfAborted();
    }
  }

  /** Of an earlier daemon on this data directory, since the same boot. It has ended: this one has the lock. */
  #isOwn(former: Entry): boolean {
    const { machine, boot } = parseNode(former);
    return machine === this.#deps.facts.machine && boot === this.#deps.facts.boot;
  }

  /** Continues the session of an earlier daemon, so that its databases run on. */
  async #continue({ session, revision }: Entry): Promise<boolean> {
    if (session === null || !(await this.#deps.coordinator.renewSession(session))) return false;
    return this.#commit(session, revision);
  }

  async #commit(session: string, revision: number): Promise<boolean> {
    const { coordinator, facts, record } = this.#deps;
    const key = nodeKey(facts.node);
    const value = JSON.stringify(record());
    const isRegistered = await coordinator.commit({
      expect: [{ key, revision }],
      put: [
        { key, value, session },
        { key: memberKey(facts.node), value },
      ],
    });
    if (isRegistered) this.#session = session;
    return isRegistered;
  }

  async #keepSession(): Promise<void> {
    const { clock, leaseSeconds, left, log } = this.#deps;
    let waitMs = (leaseSeconds * 1000) / RENEWALS;
    for (;;) {
      await clock.sleep(waitMs, left);
      if (left.aborted) return;
      waitMs = (leaseSeconds * 1000) / RENEWALS;
      try {
        await this.#renew();
        if (this.#problem !== null) log.info('the cluster answers again');
        this.#problem = null;
      } catch (error) {
        if (left.aborted) return;
        if (this.#problem === null)
          log.error(`the node is not registered: ${messageOf(error)}; trying again`);
        this.#problem = messageOf(error);
        waitMs = RETRY_MS;
      }
    }
  }

  /** Beside the renewals, which must not wait while etcd cannot write. */
  async #keepRecord(): Promise<void> {
    const { clock, leaseSeconds, left } = this.#deps;
    while (!left.aborted) {
      await clock.sleep((leaseSeconds * 1000) / RENEWALS, left);
      if (!left.aborted) await this.publish();
    }
  }

  async #renew(): Promise<void> {
    const { coordinator, clock, log } = this.#deps;
    const session = this.#session;
    const sentAt = clock.monotonic();
    if (session !== null && (await coordinator.renewSession(session))) {
      this.#setLease(sentAt + this.#leaseMs);
      return;
    }
    log.warn('the session of this node has ended; it joins again');
    this.#session = null;
    if (this.hasLease) {
      this.#setLease(clock.monotonic());
      this.#look();
    }
    // It was removed, and another server may have its name.
    await this.begin();
  }

  async #watchLease(): Promise<void> {
    const { clock, left } = this.#deps;
    while (!left.aborted) {
      this.#look();
      await clock.sleep(Math.max(RETRY_MS, this.#until - clock.monotonic()), left);
    }
  }

  #look(): void {
    if (this.#isOver || this.hasLease) return;
    this.#isOver = true;
    this.#deps.onLeaseOver();
  }
}
