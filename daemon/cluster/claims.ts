import type { PhaseReason } from '../../shared/api/instances.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Change, Coordinator, Entry } from './coordinator.ts';
import { chunks, freeing, readOwned } from './moves/owned-records.ts';
import { decideClaim } from './ownership.ts';
import {
  drainKey,
  type Lack,
  memberKey,
  type NodeRecord,
  nodeKey,
  type OwnerRecord,
  ownersOf,
  parseNode,
  parseOwner,
} from './records.ts';

/** Claims of one database can collide: with those of other nodes, and with its own when an answer was lost. */
const ATTEMPTS = 5;

/** A database that another node has now. */
export interface LostDatabase {
  name: string;
  reason: PhaseReason;
}

/** It can take over databases when it may be taken over itself: it has replicas, too. */
type ClaimingNode = Pick<NodeRecord, 'node' | 'fleet' | 'takeover' | 'secrets'>;

/** Whether a node can take over the databases of another one. */
type Takeover = 'ready' | 'other_secrets' | 'none';

/** What a node knows of a database that it owns. */
export type Ownership = Pick<OwnerRecord, 'epoch' | 'source' | 'handover' | 'lacks'>;

/** The databases that this node owns. */
export class Claims {
  readonly #coordinator: Coordinator;
  readonly #node: string;
  readonly #facts: ClaimingNode;
  readonly #prefix: string;
  readonly #clock: Clock;
  /** By name: records that were last seen with this node. Others change them only when this node has no session. */
  readonly #owned = new Map<string, Ownership>();
  /** By name: the other node that owned it when its record was last seen. Null for a replica that no node owns. */
  readonly #others = new Map<string, string | null>();
  /** Offered to another node, which may have them: their records are read before they start here. */
  readonly #offered = new Set<string>();
  /** Owned before, and reported as lost without knowing by whom: etcd did not answer. */
  readonly #doubtful = new Set<string>();

  constructor({
    coordinator,
    facts,
    clock,
  }: { coordinator: Coordinator; facts: ClaimingNode; clock: Clock }) {
    this.#coordinator = coordinator;
    this.#node = facts.node;
    this.#facts = facts;
    this.#prefix = ownersOf(facts.fleet);
    this.#clock = clock;
  }

  /**
   * Reads what this node owns, so that these databases start without a question to the coordinator.
   *
   * @returns the databases that it owned before
   */
  async load(): Promise<LostDatabase[]> {
    const before = [...this.#owned.keys()].map((name) => this.#prefix + name);
    const view = new Map<string, Entry>();
    for (const entry of await this.#coordinator.list(this.#prefix)) {
      view.set(entry.key, entry);
      const owner = parseOwner(entry);
      this.#note(this.#nameOf(entry.key), owner);
    }
    for (const name of this.#others.keys()) if (!view.has(this.#prefix + name)) this.#others.delete(name);
    return this.review(view, before);
  }

  /** Null for a database that this node does not own. */
  ownershipOf(name: string): Ownership | null {
    return this.#owned.get(name) ?? null;
  }

  /** The other node that owns a database; null without one. */
  otherOwnerOf(name: string): string | null {
    return this.#others.get(name) ?? null;
  }

  /** Notes that this node has become the owner of a database. */
  noteOwned(name: string, owner: OwnerRecord): void {
    this.#offered.delete(name);
    this.#note(name, owner);
  }

  /** From now on, a start of this database withdraws the offer first. Call it before the offer, when it does not run. */
  noteOffered(name: string): void {
    this.#offered.add(name);
  }

  /** The names of the databases that this node owns. */
  ownedNames(): string[] {
    return [...this.#owned.keys()];
  }

  /** By name: the other nodes that own databases, as far as this one knows. Null for one that was freed, and has a replica. */
  others(): ReadonlyMap<string, string | null> {
    return this.#others;
  }

  /** The number of databases of each node, as far as this one knows. @param controlPlane is not counted */
  counts(controlPlane: string): Map<string, number> {
    const counts = new Map<string, number>();
    const add = (name: string, node: string) => {
      if (name !== controlPlane) counts.set(node, (counts.get(node) ?? 0) + 1);
    };
    for (const name of this.#owned.keys()) add(name, this.#node);
    for (const [name, node] of this.#others) if (node !== null) add(name, node);
    return counts;
  }

  /**
   * Makes another node the owner of a database whose owner has ended or was removed. That node restores and starts it.
   *
   * @returns false when nothing was changed: one of both nodes, or the record, is not as it should be
   */
  async assign(name: string, to: string): Promise<boolean> {
    const key = this.#prefix + name;
    const [entry, target] = await Promise.all([
      this.#coordinator.get(key),
      this.#coordinator.get(nodeKey(to)),
    ]);
    if (entry === null || target === null || parseNode(target).serves !== true) return false;
    const owner = parseOwner(entry);
    if (owner.source === null || owner.node === to) return false;
    const other = owner.node === null ? null : await this.#inspect(owner.node);
    const isEnded = other?.takeover === 'ready' && !other.isOnline;
    const decision = decideClaim(owner, to, { now: this.#clock.now(), isEnded, isDrained: false });
    if (decision.kind !== 'claim') return false;
    return this.#coordinator.commit({
      expect: [
        { key, revision: entry.revision },
        { key: target.key, revision: target.revision },
        { key: drainKey(to), revision: 0 },
        ...(other?.unchanged ?? []),
      ],
      put: [{ key, value: JSON.stringify(decision.record) }],
    });
  }

  /** The names of all databases of the fleet, also those of other nodes. */
  async names(): Promise<string[]> {
    return (await this.#coordinator.list(this.#prefix)).map(({ key }) => this.#nameOf(key));
  }

  /**
   * Records where a database that this node owns is replicated.
   *
   * @param has what the replica has everything of
   * @returns false when this node does not own it any more
   */
  async recordSource(name: string, source: string, has: Lack = 'changes'): Promise<boolean> {
    const key = this.#prefix + name;
    const entry = await this.#coordinator.get(key);
    const owner = entry && parseOwner(entry);
    if (entry === null || owner?.node !== this.#node || owner.epoch !== this.#owned.get(name)?.epoch)
      return false;
    const { lacks: lacked = [], ...kept } = owner;
    const lacks = lacked.filter((lack) => lack !== has);
    if (owner.source === source && lacks.length === lacked.length) {
      // The answer to an earlier attempt was lost.
      this.#owned.set(name, owner);
      return true;
    }
    const record: OwnerRecord = { ...kept, source, ...(lacks.length === 0 ? {} : { lacks }) };
    const put = [{ key, value: JSON.stringify(record) }];
    const isRecorded = await this.#coordinator.commit({ expect: [{ key, revision: entry.revision }], put });
    if (isRecorded) this.#owned.set(name, record);
    return isRecorded;
  }

  /** Records this node as the owner of a database. Resolves with the reason when it must not be started here, otherwise null. */
  async problem(name: string): Promise<PhaseReason | null> {
    const owned = this.#owned.get(name);
    if (owned !== undefined && owned.handover === undefined && !this.#offered.has(name)) return null;
    try {
      const owner = await this.#claim(name);
      if (owner === null) return null;
      const { node, takeover } = owner;
      if (node === null)
        return {
          code: 'owned_elsewhere',
          message: `this node is drained and takes over nothing: another node can have ${name}; otherwise, run 'fathomd nodes undrain ${this.#node}'`,
        };
      const next = {
        ready: `this node takes it over when the lease of ${node} has ended`,
        other_secrets: `this node cannot take it over, because its secrets are not those of ${node}; copy AES_MASTER_KEY, JWT_SECRET and PB_ENCRYPTION_KEY, then restart it`,
        none: `when the server of ${node} is off and stays off, run 'fathomd nodes remove ${node}'`,
      }[takeover];
      return {
        code: 'owned_elsewhere',
        message: `node ${node} owns ${name}, and two nodes must not write to copies of it; ${next}`,
      };
    } catch (error) {
      if (!(error instanceof FathomError)) throw error;
      return {
        code: 'cluster_unreachable',
        message: `it is not known whether another node owns it: ${error.message}`,
      };
    }
  }

  /**
   * Compares records that changed with what this node owns, and claims again what was freed.
   *
   * @param changed keys
   * @returns the databases that another node has now, and those of which etcd did not say it: review these again
   */
  async review(view: ReadonlyMap<string, Entry>, changed: Iterable<string>): Promise<LostDatabase[]> {
    const lost: LostDatabase[] = [];
    for (const key of changed) {
      const name = this.#nameOf(key);
      const entry = view.get(key);
      const owner = entry === undefined ? null : parseOwner(entry);
      const other = owner?.node ?? this.#node;
      if (owner === null || owner.node === this.#node) this.#others.delete(name);
      else this.#note(name, owner);
      const wasDoubtful = this.#doubtful.delete(name);
      if (owner?.node === this.#node || !(this.#owned.delete(name) || wasDoubtful)) continue;
      // It does not run here: this node has given it away.
      if (other !== this.#node && this.#offered.has(name)) continue;
      const reason = await this.problem(name);
      if (reason?.code === 'cluster_unreachable') this.#doubtful.add(name);
      if (reason !== null) lost.push({ name, reason });
    }
    return lost;
  }

  /** Frees the databases of which others have a replica. Call it when none of them runs here, and none will. */
  async freeReplicated(): Promise<void> {
    const owned = await readOwned(this.#coordinator, this.#prefix, this.#node);
    for (const part of chunks(
      owned.filter(({ owner }) => owner.source !== null && owner.lacks === undefined),
    )) {
      for (const { entry } of part) this.#owned.delete(this.#nameOf(entry.key));
      await this.#coordinator.commit(freeing(part, this.#clock.now()));
    }
  }

  /** Forgets databases that no longer exist. Their names are never used again. */
  async prune(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const gone = (await readOwned(this.#coordinator, this.#prefix, this.#node))
      .map(({ entry }) => entry)
      .filter(({ key }) => names.includes(this.#nameOf(key)));
    for (const entries of chunks(gone)) {
      // Before, so that a review does not claim them again.
      for (const { key } of entries) this.#owned.delete(this.#nameOf(key));
      await this.#coordinator.commit({
        expect: entries.map(({ key, revision }) => ({ key, revision })),
        remove: entries.map(({ key }) => key),
      });
    }
  }

  #note(name: string, owner: OwnerRecord): void {
    if (owner.node === this.#node) {
      this.#owned.set(name, owner);
      this.#others.delete(name);
    } else if (owner.node !== null || owner.source !== null) this.#others.set(name, owner.node);
    else this.#others.delete(name);
  }

  #nameOf(key: string): string {
    return key.slice(this.#prefix.length);
  }

  /** @returns the owner when it is another node, and whether this one can take over. Its name is null when this node may not */
  async #claim(name: string): Promise<{ node: string | null; takeover: Takeover } | null> {
    const key = this.#prefix + name;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const entry = await this.#coordinator.get(key);
      const owner = entry && parseOwner(entry);
      const { node = null, source = null } = owner ?? {};
      const other = node === null || node === this.#node ? null : await this.#inspect(node);
      const takeover = source === null || owner?.lacks || other === null ? 'none' : other.takeover;
      const isEnded = takeover === 'ready' && other?.isOnline === false;
      const mayClaim = owner !== null && node !== this.#node && (node === null || isEnded);
      const isDrained = mayClaim && (await this.#coordinator.get(drainKey(this.#node))) !== null;
      const decision = decideClaim(owner, this.#node, { now: this.#clock.now(), isEnded, isDrained });
      if (decision.kind === 'refuse') return { node: decision.owner, takeover };
      if (decision.kind === 'leave') return { node: null, takeover };
      if (decision.kind === 'keep' && owner !== null) {
        // Another node could still take it. An offer without an answer can be made even now, if the record does not change.
        const { handover, ...kept } = owner;
        const mayBeTaken = handover !== undefined || this.#offered.has(name);
        const put = [{ key, value: JSON.stringify(kept) }];
        const expected = [{ key, revision: entry?.revision ?? 0 }];
        if (mayBeTaken && !(await this.#coordinator.commit({ expect: expected, put }))) continue;
        this.noteOwned(name, kept);
        return null;
      }
      if (decision.kind === 'keep') return null;
      if (isEnded) await this.#requireSession();
      const { record } = decision;
      const expect = [
        { key, revision: entry?.revision ?? 0 },
        ...(mayClaim ? [{ key: drainKey(this.#node), revision: 0 }] : []),
        ...(isEnded ? (other?.unchanged ?? []) : []),
      ];
      if (await this.#coordinator.commit({ expect, put: [{ key, value: JSON.stringify(record) }] })) {
        this.noteOwned(name, record);
        return null;
      }
    }
    throw new FathomError('cluster.unavailable', `the claim of ${name} met others ${ATTEMPTS} times`);
  }

  /** Two nodes without a session would take over from each other, again and again. @throws FathomError */
  async #requireSession(): Promise<void> {
    if ((await this.#coordinator.get(nodeKey(this.#node))) !== null) return;
    throw new FathomError('cluster.unavailable', 'the session of this node has ended; it joins again');
  }

  /** `unchanged`: what a takeover relies on. */
  async #inspect(
    node: string,
  ): Promise<{ isOnline: boolean; takeover: Takeover; unchanged: Change['expect'] }> {
    const [online, member] = await Promise.all([
      this.#coordinator.get(nodeKey(node)),
      this.#coordinator.get(memberKey(node)),
    ]);
    const record = member && parseNode(member);
    const ready = record?.secrets === this.#facts.secrets ? 'ready' : 'other_secrets';
    return {
      isOnline: online !== null,
      takeover: record?.takeover === true && this.#facts.takeover ? ready : 'none',
      unchanged: [
        { key: nodeKey(node), revision: 0 },
        { key: memberKey(node), revision: member?.revision ?? 0 },
      ],
    };
  }
}
