import type { DrainProgress } from '../../../shared/api/nodes.ts';
import { backoffMs } from '../../../shared/backoff.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { Catalog, CatalogEntry } from '../catalog.ts';
import type { DatabaseMoves } from './database-moves.ts';
import { type DrainEntry, planDrain, REPLICA_MS } from './drain-plan.ts';

const LOOK_EVERY_MS = 1_000;
/** As many as a node restores at a time. */
const CONCURRENT_MOVES = 4;
const MAX_PROBLEMS = 20;
const BACKOFF = { baseMs: 5_000, capMs: 300_000 };

/** What the cluster says of a drain of this node. */
export interface Drain {
  /** Differs for each request to drain this node; null while it is not drained. */
  readonly request: number | null;
  /** @throws FathomError `cluster.unavailable` */
  chooseTarget(name: string, placed: ReadonlyMap<string, number>): Promise<string | null>;
  /** By node: why it has not taken a database of this one lately. */
  refusalsOf(name: string): ReadonlyMap<string, string>;
  /** Never rejects. */
  report(progress: DrainProgress | null): void;
}

export interface NodeDrainDeps {
  drain: Drain;
  catalog: Pick<Catalog, 'entries' | 'find'>;
  moves: Pick<DatabaseMoves, 'move' | 'isReplicated'>;
  clock: Clock;
  log: Logger;
}

/** What is known of a database while this node is drained. */
interface Attempt {
  /** Monotonic, as `retryAt`. */
  firstSeenAt: number;
  failures: number;
  message: string | null;
  retryAt: number;
}

/**
 * Moves all databases of this node to other nodes, while it is drained. Nothing is stored: a new daemon looks again. With the next
 * request, what failed is tried again at once.
 */
export class NodeDrain {
  readonly #deps: NodeDrainDeps;
  /** By name: the node that gets it. */
  readonly #moving = new Map<string, string>();
  /** They were woken for a replica, and have not moved yet. */
  readonly #woken = new Set<string>();
  /** They have moved, and the catalog may not know it yet. */
  readonly #moved = new WeakSet<CatalogEntry>();
  readonly #attempts = new Map<string, Attempt>();
  /** That is worked on; null while this node is not drained. */
  #request: number | null = null;
  /** Why the last look failed. */
  #problem: string | null = null;
  #isStopped = false;
  #loop: Loop | null = null;

  constructor(deps: NodeDrainDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop ??= startLoop(this.#deps.clock, () => this.#look());
  }

  /** Begins no other move. Those in progress end with their databases. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop?.stop();
  }

  /** @returns milliseconds until the next look */
  async #look(): Promise<number> {
    const { drain, log } = this.#deps;
    try {
      const { request } = drain;
      if (request === null) this.#end();
      else await this.#continue(request);
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) log.warn({ err: error }, `cannot move the next databases: ${problem}`);
      this.#problem = problem;
    }
    return LOOK_EVERY_MS;
  }

  #end(): void {
    if (this.#request === null) return;
    this.#request = null;
    this.#attempts.clear();
    this.#woken.clear();
    this.#deps.drain.report(null);
    this.#deps.log.info('this node is not drained any more');
  }

  async #continue(request: number): Promise<void> {
    const { catalog, drain, log } = this.#deps;
    if (this.#request === null) log.warn('this node is drained: its databases move to other nodes');
    if (this.#request !== request) this.#attempts.clear();
    this.#request = request;
    const left = catalog.entries().filter((entry) => !this.#moved.has(entry));
    const waiting = left.filter(({ row }) => !this.#moving.has(row.name));
    const entries = await Promise.all(waiting.map((entry) => this.#read(entry)));
    for (const { name, isReplicated, waitsMs } of entries)
      if (isReplicated || waitsMs > REPLICA_MS) this.#woken.delete(name);
    const plan = planDrain(entries, CONCURRENT_MOVES - this.#moving.size - this.#woken.size);
    for (const name of plan.wake) this.#wake(name);
    const hasTarget = await this.#begin(plan.move);
    const problems = hasTarget
      ? plan.problems
      : entries.map(({ name }) => ({ name, message: 'no other node can take it now' }));
    const failed = problems.filter(({ name }) => !this.#moving.has(name));
    drain.report({
      left: left.length,
      moving: this.#moving.size,
      failed: failed.length,
      problems: failed.slice(0, MAX_PROBLEMS),
    });
    this.#problem = null;
  }

  #wake(name: string): void {
    if (this.#deps.catalog.find(name)?.runner.wake() !== true) return;
    this.#woken.add(name);
    this.#attemptOf(name).firstSeenAt = this.#deps.clock.monotonic();
  }

  async #read(entry: CatalogEntry): Promise<DrainEntry> {
    const { moves, clock } = this.#deps;
    const { name } = entry.row;
    const { runner } = entry;
    const now = clock.monotonic();
    const attempt = this.#attemptOf(name);
    return {
      name,
      phase: runner.state.phase,
      idleMs: runner.idleMs(),
      // An archived one must not be woken for a replica. The move says why it stays.
      isReplicated: runner.spec.archived() !== null || (await moves.isReplicated(entry)),
      waitsMs: now - attempt.firstSeenAt,
      failure:
        attempt.message === null ? null : { message: attempt.message, mayRetry: now >= attempt.retryAt },
    };
  }

  /** @returns false when no other node can take databases @throws FathomError `cluster.unavailable` */
  async #begin(names: readonly string[]): Promise<boolean> {
    const { catalog, drain } = this.#deps;
    for (const name of names) {
      const placed = new Map<string, number>();
      for (const node of this.#moving.values()) placed.set(node, (placed.get(node) ?? 0) + 1);
      const node = await drain.chooseTarget(name, placed);
      if (node === null) return false;
      const entry = catalog.find(name);
      if (entry === null || this.#isStopped) continue;
      this.#moving.set(name, node);
      void this.#move(entry, node).finally(() => {
        this.#moving.delete(name);
        this.#woken.delete(name);
        this.#loop?.wake();
      });
    }
    return true;
  }

  /** Never rejects. */
  async #move(entry: CatalogEntry, node: string): Promise<void> {
    const { name } = entry.row;
    try {
      await this.#deps.moves.move(name, node);
      this.#moved.add(entry);
      this.#attempts.delete(name);
    } catch (error) {
      const refusals = [...this.#deps.drain.refusalsOf(name)].map(([other, why]) => `node ${other} ${why}`);
      this.#noteFailure(
        name,
        refusals.length > 1 ? `it stays for now: ${refusals.join('; ')}` : messageOf(error),
      );
    }
  }

  #attemptOf(name: string): Attempt {
    const known = this.#attempts.get(name);
    if (known !== undefined) return known;
    const attempt = { firstSeenAt: this.#deps.clock.monotonic(), failures: 0, message: null, retryAt: 0 };
    this.#attempts.set(name, attempt);
    return attempt;
  }

  #noteFailure(name: string, message: string): void {
    const attempt = this.#attemptOf(name);
    if (attempt.message !== message) this.#deps.log.warn({ instance: name }, `it does not move: ${message}`);
    attempt.failures += 1;
    attempt.message = message;
    attempt.retryAt = this.#deps.clock.monotonic() + backoffMs(attempt.failures, BACKOFF);
  }
}
