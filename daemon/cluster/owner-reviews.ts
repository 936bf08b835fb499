import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Claims, LostDatabase } from './claims.ts';
import type { Entry } from './coordinator.ts';
import type { Handovers } from './handovers.ts';
import { type NodeRecord, ownersOf, parseOwner } from './records.ts';
import type { RouteWriter } from './routes/route-writer.ts';
import type { SharedFleet } from './shared-fleet.ts';

const RETRY_MS = 1_000;

type View = ReadonlyMap<string, Entry>;

export interface OwnerReviewsDeps {
  facts: Pick<NodeRecord, 'node' | 'fleet'>;
  claims: Pick<Claims, 'review' | 'ownershipOf' | 'noteOwned'>;
  share: Pick<SharedFleet, 'noticeMoves' | 'notify'>;
  routes: Pick<RouteWriter, 'noteOwner'>;
  handovers: Pick<Handovers, 'isReceiving' | 'noteRecord'>;
  reportLost: (lost: readonly LostDatabase[]) => void;
  /** Whether this node takes what the leader gives to it. */
  mayGain: () => boolean;
  left: AbortSignal;
  clock: Clock;
  log: Logger;
}

/** What follows from changed records of owners. They are reviewed one batch after the other, again when that failed. */
export class OwnerReviews {
  readonly #deps: OwnerReviewsDeps;
  readonly #prefix: string;
  #view: View = new Map();
  /** Keys that are to be reviewed. */
  #changed = new Set<string>();
  #isReviewing = false;
  #problem: string | null = null;

  constructor(deps: OwnerReviewsDeps) {
    this.#deps = deps;
    this.#prefix = ownersOf(deps.facts.fleet);
  }

  note(view: View, changed: Iterable<string>): void {
    this.#view = view;
    for (const key of changed) this.#changed.add(key);
    if (!this.#isReviewing) void this.#reviewAll();
  }

  /** Never rejects. */
  async #reviewAll(): Promise<void> {
    const { left, clock } = this.#deps;
    this.#isReviewing = true;
    while (this.#changed.size > 0 && !left.aborted) {
      const changed = [...this.#changed];
      this.#changed.clear();
      const again = await this.#tryReview(changed);
      for (const key of again) this.#changed.add(key);
      if (again.length > 0) await clock.sleep(RETRY_MS, left);
    }
    this.#isReviewing = false;
  }

  /** @returns the keys that must be reviewed again */
  async #tryReview(changed: readonly string[]): Promise<readonly string[]> {
    const problems: string[] = [];
    const readable = changed.filter((key) => {
      try {
        const entry = this.#view.get(key);
        if (entry !== undefined) parseOwner(entry);
        return true;
      } catch (error) {
        problems.push(messageOf(error));
        return false;
      }
    });
    let doubtful: readonly string[] = readable;
    try {
      doubtful = await this.#review(this.#view, readable);
    } catch (error) {
      problems.push(messageOf(error));
    }
    const problem = problems[0] ?? null;
    if (problem !== null && problem !== this.#problem)
      this.#deps.log.error(`cannot read owners: ${problem}; trying again`);
    this.#problem = problem;
    return [...changed.filter((key) => !readable.includes(key)), ...doubtful];
  }

  /** @returns the keys of databases of which etcd did not say who has them */
  async #review(view: View, changed: readonly string[]): Promise<string[]> {
    const { claims, share, routes, handovers, reportLost } = this.#deps;
    const names = changed.map((key) => key.slice(this.#prefix.length));
    let lost: LostDatabase[] = [];
    await share.noticeMoves(names, async () => {
      lost = await claims.review(view, changed);
      reportLost(lost);
    });
    this.#noteGained(view, names);
    for (const name of names) routes.noteOwner(name);
    for (const key of changed) {
      const entry = view.get(key);
      if (entry !== undefined) handovers.noteRecord(entry);
    }
    return lost.flatMap(({ name, reason }) =>
      reason.code === 'cluster_unreachable' ? [this.#prefix + name] : [],
    );
  }

  /** The leader has given them to this node, because their owner has ended. */
  #noteGained(view: View, names: readonly string[]): void {
    const { facts, claims, share, handovers, mayGain, log } = this.#deps;
    if (!mayGain()) return;
    const gained = names.flatMap((name) => {
      const entry = view.get(this.#prefix + name);
      const owner = entry && parseOwner(entry);
      const isKnown = claims.ownershipOf(name) !== null || handovers.isReceiving(name);
      return owner?.node === facts.node && !isKnown ? [{ name, owner }] : [];
    });
    for (const { name, owner } of gained) claims.noteOwned(name, owner);
    if (gained.length === 0) return;
    log.warn({ databases: gained.length }, 'this node takes over databases of a node that has ended');
    share.notify();
  }
}
