import type { PhaseReason } from '../../shared/api/instances.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Clock } from '../base/time/clock.ts';
import { type Coordinator, type Entry, MAX_CHANGES } from './coordinator.ts';
import { decideClaim, freed } from './ownership.ts';
import { memberKey, nodeKey, OWNERS, ownersOf, parseOwner } from './records.ts';

/** Claims of one database can collide: with those of other nodes, and with its own when an answer was lost. */
const ATTEMPTS = 5;

/** A database that another node has now. */
export interface LostDatabase {
  name: string;
  reason: PhaseReason;
}

/** The databases that this node owns. */
export class Claims {
  readonly #coordinator: Coordinator;
  readonly #node: string;
  readonly #prefix: string;
  readonly #clock: Clock;
  /** Names whose record was last seen with this node. Others free it only when this node has no session. */
  readonly #owned = new Set<string>();

  constructor({
    coordinator,
    node,
    fleet,
    clock,
  }: { coordinator: Coordinator; node: string; fleet: string; clock: Clock }) {
    this.#coordinator = coordinator;
    this.#node = node;
    this.#prefix = ownersOf(fleet);
    this.#clock = clock;
  }

  /**
   * Reads what this node owns, so that these databases start without a question to the coordinator.
   *
   * @returns the databases that it owned before
   */
  async load(): Promise<LostDatabase[]> {
    const before = [...this.#owned].map((name) => this.#prefix + name);
    const view = new Map<string, Entry>();
    for (const entry of await this.#coordinator.list(this.#prefix)) {
      view.set(entry.key, entry);
      if (decideClaim(parseOwner(entry), this.#node, this.#clock.now()).kind === 'keep')
        this.#owned.add(entry.key.slice(this.#prefix.length));
    }
    return this.review(view, before);
  }

  /** Records this node as the owner of a database. Resolves with the reason when it must not be started here, otherwise null. */
  async problem(name: string): Promise<PhaseReason | null> {
    if (this.#owned.has(name)) return null;
    try {
      const owner = await this.#claim(name);
      if (owner === null) return null;
      return {
        code: 'owned_elsewhere',
        message: `node ${owner} owns ${name}, and two nodes must not write to copies of it; when the server of ${owner} is off and stays off, run 'fathomd nodes remove ${owner}'`,
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
   * @returns the databases that another node has now
   */
  async review(view: ReadonlyMap<string, Entry>, changed: Iterable<string>): Promise<LostDatabase[]> {
    const lost: LostDatabase[] = [];
    for (const key of changed) {
      const name = key.slice(this.#prefix.length);
      const entry = view.get(key);
      const isKept = entry !== undefined && parseOwner(entry).node === this.#node;
      if (isKept || !this.#owned.delete(name)) continue;
      const reason = await this.problem(name);
      if (reason !== null) lost.push({ name, reason });
    }
    return lost;
  }

  /** Forgets databases that no longer exist. Their names are never used again. */
  async prune(exists: (name: string) => boolean): Promise<void> {
    if ([...this.#owned].every(exists)) return;
    const gone = (await this.#coordinator.list(this.#prefix)).filter(
      (entry) => parseOwner(entry).node === this.#node && !exists(entry.key.slice(this.#prefix.length)),
    );
    for (const entries of chunks(gone)) {
      // Before, so that a review does not claim them again.
      for (const { key } of entries) this.#owned.delete(key.slice(this.#prefix.length));
      await this.#coordinator.commit({
        expect: entries.map(({ key, revision }) => ({ key, revision })),
        remove: entries.map(({ key }) => key),
      });
    }
  }

  /** @returns the owner when it is another node */
  async #claim(name: string): Promise<string | null> {
    const key = this.#prefix + name;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const entry = await this.#coordinator.get(key);
      const decision = decideClaim(entry && parseOwner(entry), this.#node, this.#clock.now());
      if (decision.kind === 'refuse') return decision.owner;
      if (decision.kind === 'keep') {
        this.#owned.add(name);
        return null;
      }
      const expect = [{ key, revision: entry?.revision ?? 0 }];
      if (
        await this.#coordinator.commit({ expect, put: [{ key, value: JSON.stringify(decision.record) }] })
      ) {
        this.#owned.add(name);
        return null;
      }
    }
    throw new FathomError('cluster.unavailable', `the claim of ${name} met others ${ATTEMPTS} times`);
  }
}

/**
 * Removes a node that is off, and frees all its databases. The control planes come last: with one, another node can begin to start the rest.
 *
 * @param last names of databases that are freed after all others
 * @returns the number of databases
 * @throws FathomError `conflict` when the node is registered
 */
export async function removeNode(
  node: string,
  { coordinator, clock, last }: { coordinator: Coordinator; clock: Clock; last: string },
): Promise<number> {
  const owned = (await coordinator.list(OWNERS)).flatMap((entry) => {
    const owner = parseOwner(entry);
    return owner.node === node ? [{ entry, owner }] : [];
  });
  const isLast = ({ entry }: (typeof owned)[number]) => entry.key.endsWith(`/${last}`);
  const ordered = [...owned.filter((one) => !isLast(one)), ...owned.filter(isLast)];
  for (const part of chunks(ordered)) {
    const isFreed = await coordinator.commit({
      expect: [
        { key: nodeKey(node), revision: 0 },
        ...part.map(({ entry: { key, revision } }) => ({ key, revision })),
      ],
      put: part.map(({ entry: { key }, owner }) => ({
        key,
        value: JSON.stringify(freed(owner, clock.now())),
      })),
    });
    if (!isFreed) throw cameBack(node);
  }
  const isRemoved = await coordinator.commit({
    expect: [{ key: nodeKey(node), revision: 0 }],
    remove: [memberKey(node)],
  });
  if (!isRemoved) throw cameBack(node);
  return owned.length;
}

function cameBack(node: string): FathomError {
  return new FathomError(
    'conflict',
    `${node} is online, or its databases change; stop its server, then try again`,
  );
}

function chunks<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / MAX_CHANGES);
  return Array.from({ length: count }, (_, n) => items.slice(n * MAX_CHANGES, (n + 1) * MAX_CHANGES));
}
