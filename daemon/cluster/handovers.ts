import { FathomError, messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Claims } from './claims.ts';
import type { Coordinator, Entry } from './coordinator.ts';
import type { Refusals } from './moves/refusals.ts';
import { takeProblem } from './placement/choose-node.ts';
import {
  drainKey,
  type NodeRecord,
  nodeKey,
  type OwnerRecord,
  ownersOf,
  parseNode,
  parseOwner,
} from './records.ts';

const LOOK_EVERY_MS = 200;
const RETRY_MS = 1_000;
/** Without any progress of the other node. A large database takes longer. */
const TIMEOUT_MS = 180_000;
/** A withdrawal can collide with the answer of the other node. */
const ATTEMPTS = 5;

/** A copy that must be byte for byte that of the last owner. */
export interface WantedCopy {
  name: string;
  source: string;
  sha256: string;
}

export interface ReceiveOptions {
  signal: AbortSignal;
  /** Called with the bytes that are there. It waits for others until the first call. */
  note: (bytes: number) => void;
  /** Called with the files in place. @returns the epoch of this node, which owns the database now; null when it does not */
  accept: () => Promise<number | null>;
}

/**
 * Makes the files of a database those of a replica, calls `accept`, and records the epoch. No start comes between.
 *
 * @throws an error when they differ from what is wanted, the error of `accept`
 */
export type ReceiveCopy = (copy: WantedCopy, options: ReceiveOptions) => Promise<void>;

export interface HandoverDeps {
  coordinator: Coordinator;
  facts: Pick<NodeRecord, 'node' | 'fleet' | 'takeover' | 'secrets'>;
  claims: Claims;
  /** Whether this node runs databases now. */
  serves: () => boolean;
  /** Why a database would not start on this node, because no control plane says that it should; null when it would. */
  controlPlaneProblem: () => Promise<string | null>;
  /** Which nodes have not taken databases of this one. */
  refusals: Refusals;
  receiveCopy: ReceiveCopy;
  /** This node owns a database of another node now. */
  onReceived: () => void;
  /** Aborts when the node leaves. */
  left: AbortSignal;
  clock: Clock;
  log: Logger;
}

/**
 * Moves databases between nodes that run. The record of the owner decides:
 *
 * ```
 *  owned by n1 ── offer ──▶ owned by n1, offered to n2 ── n2 has the same bytes ──▶ owned by n2
 *      ▲                            │        │
 *      └──── withdrawn by n1 ◀──────┘        └──▶ refused by n2, withdrawn by n1
 * ```
 *
 * Each arrow is one compare-and-swap, so the database never has two owners, and n1 takes it back only when n2 has not taken it.
 */
export class Handovers {
  readonly #deps: HandoverDeps;
  readonly #prefix: string;
  /** Names that are offered to this node. */
  readonly #wanted = new Set<string>();
  readonly #receiving = new Map<string, Promise<void>>();
  /** By name of those that are restored: the bytes that are there. */
  readonly #progress = new Map<string, number>();
  /** Was received, or not; what its record says now is not known yet. */
  readonly #ended = new Set<string>();

  constructor(deps: HandoverDeps) {
    this.#deps = deps;
    this.#prefix = ownersOf(deps.facts.fleet);
  }

  /** @throws FathomError `not_found`, `conflict` for a node that cannot take databases of this one */
  async requireTarget(node: string): Promise<void> {
    const { coordinator, facts } = this.#deps;
    if (node === facts.node) throw new FathomError('conflict', `${node} is this node`);
    const entry = await coordinator.get(nodeKey(node));
    if (entry === null)
      throw new FathomError('not_found', `no node '${node}' is online; 'fathomd nodes list' shows all`);
    const target = parseNode(entry);
    const isDrained = (await coordinator.get(drainKey(node))) !== null;
    const problem = takeProblem(target, facts, { isDrained });
    if (problem !== null) throw new FathomError('conflict', `${node} cannot take the database: ${problem}`);
    // The other node would refuse it, after its process has ended.
    const unled = await this.#deps.controlPlaneProblem();
    if (unled !== null) throw new FathomError('conflict', `no database moves now: ${unled}`);
  }

  /** The last replica of a database of this node that is complete, which can be that of its former owner. Null without one. */
  sourceOf(name: string): string | null {
    return this.#deps.claims.ownershipOf(name)?.source ?? null;
  }

  /**
   * Offers a database, which does not run, to another node, and waits until that node has it.
   *
   * @param offer.source the complete replica of this owner
   * @throws FathomError `conflict` when this node keeps the database, `cluster.unavailable` when it is not known. Its next start
   * here withdraws the offer, or is refused
   */
  async handOver(
    { name, to, sha256, source }: WantedCopy & { to: string },
    signal: AbortSignal,
  ): Promise<void> {
    this.#deps.claims.noteOffered(name);
    let problem: Error | null;
    try {
      await this.#offer(name, source, { to, sha256, refused: null });
      problem = await this.#untilAnswered(name, to, signal);
    } catch (error) {
      // The offer may be there: perhaps only the answer of etcd was lost.
      problem = error as Error;
    }
    if (problem !== null && (await this.#withdraw(name)) !== to) throw problem;
    this.#deps.refusals.forget(name);
  }

  /** Whether this node restores a database that is offered to it. */
  isReceiving(name: string): boolean {
    return this.#receiving.has(name);
  }

  /** What this node restores because it is offered, with the bytes that are there. The former owner waits while they change. */
  get receiving(): { name: string; bytes: number }[] {
    return [...this.#progress].map(([name, bytes]) => ({ name, bytes }));
  }

  /** Takes what is offered to this node. */
  noteRecord(entry: Entry): void {
    const { facts, serves, left } = this.#deps;
    const name = entry.key.slice(this.#prefix.length);
    const { handover } = parseOwner(entry);
    const isWanted = handover?.to === facts.node && handover.refused === null;
    if (isWanted) this.#wanted.add(name);
    else this.#wanted.delete(name);
    if (!isWanted || this.#receiving.has(name) || !serves() || left.aborted) return;
    this.#receiving.set(name, this.#tryReceive(name, entry));
  }

  /** Never rejects. */
  async #tryReceive(name: string, entry: Entry): Promise<void> {
    const { log } = this.#deps;
    try {
      await this.#receive(name, entry);
    } catch (error) {
      log.error({ instance: name }, `cannot take it over: ${messageOf(error)}`);
    }
    this.#receiving.delete(name);
    this.#ended.add(name);
    try {
      await this.#noteGained(name);
    } catch (error) {
      log.warn({ instance: name }, `cannot read its owner: ${messageOf(error)}; trying again`);
    }
  }

  /** Takes what was offered when this node did not serve yet, or had not ended an earlier offer. Never rejects. */
  async keep(): Promise<void> {
    const { left, clock, log } = this.#deps;
    while (!left.aborted) {
      await this.#lookAgain().catch((error: unknown) => log.warn(`cannot read offers: ${messageOf(error)}`));
      await clock.sleep(RETRY_MS, left);
    }
    await Promise.all(this.#receiving.values());
  }

  async #lookAgain(): Promise<void> {
    for (const name of this.#ended) await this.#noteGained(name);
    for (const name of this.#wanted) {
      if (this.#receiving.has(name)) continue;
      const entry = await this.#deps.coordinator.get(this.#prefix + name);
      if (entry === null) this.#wanted.delete(name);
      else this.noteRecord(entry);
    }
  }

  /** The leader can have given it to this node while it was received. */
  async #noteGained(name: string): Promise<void> {
    const { coordinator, claims, facts, onReceived } = this.#deps;
    const entry = await coordinator.get(this.#prefix + name);
    this.#ended.delete(name);
    const owner = entry && parseOwner(entry);
    const isKnown = claims.ownershipOf(name) !== null || this.#receiving.has(name);
    if (owner?.node !== facts.node || isKnown) return;
    claims.noteOwned(name, owner);
    onReceived();
  }

  async #offer(name: string, source: string, handover: OwnerRecord['handover']): Promise<void> {
    const { entry, owner } = await this.#read(name);
    const isOwn = owner.node === this.#deps.facts.node;
    if (!isOwn || owner.source !== source)
      throw new FathomError(
        'conflict',
        isOwn
          ? `the replica of ${name} is not complete yet; try again in a moment`
          : `${owner.node} owns ${name}`,
      );
    if (!(await this.#put(entry, { ...owner, handover })))
      throw new FathomError('conflict', `the owner of ${name} changed; try again`);
  }

  /** @returns why the other node does not take it; null when it has it */
  async #untilAnswered(name: string, to: string, signal: AbortSignal): Promise<FathomError | null> {
    const { coordinator, clock, facts, refusals } = this.#deps;
    const stays = (problem: string) => new FathomError('conflict', `${name} stays on this node: ${problem}`);
    const isRefused = (why: string) => {
      refusals.note(name, to, why);
      return stays(`node ${to} ${why}`);
    };
    let until = clock.monotonic() + TIMEOUT_MS;
    let progress = '';
    while (!signal.aborted && clock.monotonic() < until) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      const { owner } = await this.#read(name);
      if (owner.node !== facts.node) return null;
      if (owner.handover?.refused) return isRefused(`refused it: ${owner.handover.refused}`);
      const target = await coordinator.get(nodeKey(to));
      if (target === null) return isRefused('went offline');
      const shown = progressOf(name, parseNode(target).receiving ?? []);
      if (shown !== progress) until = clock.monotonic() + TIMEOUT_MS;
      progress = shown;
    }
    return signal.aborted ? stays('the move was ended') : isRefused('made no progress for 3 minutes');
  }

  /** @returns the owner: this node, or one that has it already */
  async #withdraw(name: string): Promise<string | null> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const { entry, owner } = await this.#read(name);
      if (owner.node !== this.#deps.facts.node) return owner.node;
      // Also without an offer: one that was not answered can be made even now, if the record does not change.
      const { handover: _, ...kept } = owner;
      if (await this.#put(entry, kept)) return owner.node;
    }
    throw new FathomError('cluster.unavailable', `the record of ${name} changed ${ATTEMPTS} times`);
  }

  async #receive(name: string, entry: Entry): Promise<void> {
    const { claims, facts, receiveCopy, onReceived, left, clock, log } = this.#deps;
    const { handover, ...offered } = parseOwner(entry);
    if (handover === undefined) return;
    const { sha256 } = handover;
    const { source, epoch } = offered;
    const answer = { isBegun: false, isOwner: false };
    const accept = async (): Promise<number | null> => {
      await this.#requireControlPlane();
      const since = clock.now().toISOString();
      const record: OwnerRecord = { node: facts.node, epoch: epoch + 1, since, source };
      answer.isBegun = true;
      if (!(await this.#accept(name, sha256, record))) return null;
      answer.isOwner = true;
      claims.noteOwned(name, record);
      return record.epoch;
    };
    try {
      if (source === null) throw new Error('it has no replica');
      await this.#requireControlPlane();
      const note = (bytes: number) => this.#progress.set(name, bytes);
      await receiveCopy({ name, source, sha256 }, { signal: left, note, accept });
      if (answer.isOwner)
        log.info(
          { instance: name, node: offered.node },
          'this node has it now; its files are those of the other node',
        );
    } catch (error) {
      if (answer.isBegun) throw error;
      const refused = left.aborted ? 'its daemon ends' : messageOf(error);
      log.error({ instance: name }, `it stays on node ${offered.node}: ${refused}`);
      await this.#put(entry, { ...offered, handover: { ...handover, refused } });
    } finally {
      this.#progress.delete(name);
      if (answer.isOwner) onReceived();
    }
  }

  /** It would run nowhere until there is one: its former owner starts it. @throws Error */
  async #requireControlPlane(): Promise<void> {
    const problem = await this.#deps.controlPlaneProblem();
    if (problem !== null) throw new Error(problem);
  }

  /** Tries until etcd answers: this node may be the owner already. @returns false when it is not offered any more */
  async #accept(name: string, sha256: string, record: OwnerRecord): Promise<boolean> {
    const { clock, left, log } = this.#deps;
    for (;;) {
      try {
        return await this.#tryAccept(name, sha256, record);
      } catch (error) {
        if (!(error instanceof FathomError) || error.code !== 'cluster.unavailable' || left.aborted)
          throw error;
        log.warn({ instance: name }, `cannot take it over: ${error.message}; trying again`);
        await clock.sleep(RETRY_MS, left);
      }
    }
  }

  async #tryAccept(name: string, sha256: string, record: OwnerRecord): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const { entry, owner } = await this.#read(name);
      // The answer to an earlier attempt was lost. The leader can have given it to this node too, at another time.
      const isSame = owner.epoch === record.epoch && owner.since === record.since;
      if (owner.node === record.node && isSame) return true;
      const isOffered = owner.handover?.to === record.node && owner.handover.sha256 === sha256;
      if (!isOffered || owner.epoch + 1 !== record.epoch) return false;
      if (await this.#put(entry, record)) return true;
    }
    return false;
  }

  async #read(name: string): Promise<{ entry: Entry; owner: OwnerRecord }> {
    const entry = await this.#deps.coordinator.get(this.#prefix + name);
    if (entry === null) throw new FathomError('conflict', `${name} never started on a node; start it first`);
    return { entry, owner: parseOwner(entry) };
  }

  #put({ key, revision }: Entry, record: OwnerRecord): Promise<boolean> {
    return this.#deps.coordinator.commit({
      expect: [{ key, revision }],
      put: [{ key, value: JSON.stringify(record) }],
    });
  }
}

/** Differs when there is progress: its own, or that of the others while it waits for them and is not among them. */
function progressOf(name: string, receiving: readonly { name: string; bytes: number }[]): string {
  const own = receiving.find((one) => one.name === name);
  return own === undefined ? JSON.stringify(receiving) : String(own.bytes);
}
