import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { Catalog, CatalogEntry } from '../catalog.ts';
import type { DatabaseMoves } from './database-moves.ts';

const LOOK_EVERY_MS = 10_000;
const HOUR_MS = 3_600_000;
/** A database that could not be moved is not tried again for so long. */
const REFUSED_MS = 6 * HOUR_MS;
/** A database that was used since then may be in use: its clients would wait. */
const IDLE_MS = 600_000;

export interface RebalanceDeps {
  /** FATHOM_MOVES_PER_HOUR; 0 for none. */
  movesPerHour: number;
  nodes: {
    /** Whether this node is drained: then all of its databases move. */
    readonly isDrained: boolean;
    /** The node that gets a database of this one; null when none has fewer. @throws FathomError `cluster.unavailable` */
    rebalanceTarget(): Promise<string | null>;
  };
  catalog: Pick<Catalog, 'entries'>;
  moves: Pick<DatabaseMoves, 'move' | 'isReplicated'>;
  clock: Clock;
  log: Logger;
}

/** Moves databases that are not used to nodes that have fewer for their memory, a few in an hour. */
export class RebalanceLoop {
  readonly #deps: RebalanceDeps;
  /** They have moved, and the catalog may not know it yet. */
  readonly #moved = new WeakSet<CatalogEntry>();
  /** They could not be moved: the monotonic time until which they are not tried again. */
  readonly #refused = new WeakMap<CatalogEntry, number>();
  #isMoving = false;
  /** Monotonic. */
  #nextAt: number;
  #problem: string | null = null;
  #loop: Loop | null = null;

  constructor(deps: RebalanceDeps) {
    this.#deps = deps;
    // Not at once: a node that starts again has few databases for a moment.
    this.#nextAt = deps.clock.monotonic() + HOUR_MS / Math.max(1, deps.movesPerHour);
  }

  start(): void {
    if (this.#deps.movesPerHour === 0) return;
    this.#loop ??= startLoop(this.#deps.clock, () => this.#look());
  }

  /** Begins no other move. One in progress ends with its database. */
  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** @returns milliseconds until the next look */
  async #look(): Promise<number> {
    const { movesPerHour, clock, log } = this.#deps;
    try {
      await this.#moveNext();
      this.#problem = null;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem)
        log.warn({ err: error }, `cannot compare this node with others: ${problem}`);
      this.#problem = problem;
    }
    const waitMs = this.#nextAt - clock.monotonic();
    return Math.max(Math.min(LOOK_EVERY_MS, HOUR_MS / movesPerHour), waitMs);
  }

  /** @throws FathomError `cluster.unavailable` */
  async #moveNext(): Promise<void> {
    const { movesPerHour, nodes, catalog, clock } = this.#deps;
    if (this.#isMoving || nodes.isDrained || clock.monotonic() < this.#nextAt) return;
    const node = await nodes.rebalanceTarget();
    const entry = node === null ? null : await this.#choose(catalog.entries());
    if (node === null || entry === null) return;
    this.#nextAt = clock.monotonic() + HOUR_MS / movesPerHour;
    this.#isMoving = true;
    void this.#move(entry, node).finally(() => {
      this.#isMoving = false;
    });
  }

  /** Those that sleep or are stopped first: no client waits for them. */
  async #choose(entries: readonly CatalogEntry[]): Promise<CatalogEntry | null> {
    const now = this.#deps.clock.monotonic();
    const candidates = entries
      .filter(
        (entry) =>
          idleMs(entry) >= IDLE_MS && !this.#moved.has(entry) && now >= (this.#refused.get(entry) ?? now),
      )
      .toSorted((a, b) => idleMs(b) - idleMs(a) || (a.row.name < b.row.name ? -1 : 1));
    for (const entry of candidates) if (await this.#deps.moves.isReplicated(entry)) return entry;
    return null;
  }

  /** Never rejects. */
  async #move(entry: CatalogEntry, node: string): Promise<void> {
    const { moves, clock, log } = this.#deps;
    const { name } = entry.row;
    try {
      await moves.move(name, node);
      this.#moved.add(entry);
      log.info({ instance: name, node }, 'it moved to a node that has fewer databases for its memory');
    } catch (error) {
      this.#refused.set(entry, clock.monotonic() + REFUSED_MS);
      log.warn({ instance: name, node }, `it stays on this node: ${messageOf(error)}`);
    }
  }
}

/** Since its last use. One without a process has no clients. An archived one does not move. */
function idleMs({ runner }: CatalogEntry): number {
  const { phase } = runner.state;
  if (runner.spec.archived() !== null) return 0;
  return phase === 'asleep' || phase === 'stopped' ? Number.POSITIVE_INFINITY : (runner.idleMs() ?? 0);
}
