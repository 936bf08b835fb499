import type { TaskSummary } from '../../shared/api/queue.ts';
import { messageOf } from '../../shared/errors.ts';
import type { FleetEvent } from '../../shared/events.ts';
import type { QueueSnapshot } from '../../shared/server-frames.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { TaskStore } from './store/task-store.ts';

/** Changes by other processes are noticed within this time; those of this daemon immediately. */
const POLL_MS = 500;
/** Least time between two polls. */
const MIN_POLL_MS = 50;
const STATS_EVERY_MS = 1_000;
const PAGE = 500;
const SNAPSHOT_TASKS = 200;

export interface QueueWatchDeps {
  store: TaskStore;
  clock: Clock;
  log: Logger;
  publish: (event: FleetEvent) => void;
}

/**
 * Publishes changes of tasks, also those by other processes: it reads rows that changed after the last ones it read. It
 * polls only while there are watchers.
 */
export class QueueWatch {
  readonly #deps: QueueWatchDeps;
  #watchers = 0;
  #wake = new AbortController();
  #loop: Promise<void> | null = null;
  #cursor: string | null = null;
  /** Published tasks with the time of the cursor: more rows may get the same time. */
  #published = new Set<string>();
  #statsAtMs = Number.NEGATIVE_INFINITY;
  #areStatsDue = false;

  constructor(deps: QueueWatchDeps) {
    this.#deps = deps;
  }

  /** Adds a watcher. Returns a function that removes it. */
  watch(): () => void {
    this.#watchers += 1;
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null;
    });
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#watchers -= 1;
      if (this.#watchers === 0) this.#wake.abort();
    };
  }

  /** Polls now, because something has changed. */
  notifyChange(): void {
    if (this.#watchers > 0) this.#wake.abort();
  }

  /** Returns the current state. It contains all changes before `now`. */
  async snapshot(): Promise<QueueSnapshot & { now: string }> {
    const { now, ...stats } = await this.#deps.store.readStats();
    const query = { page: 1, per_page: SNAPSHOT_TASKS, sort: '-updated' };
    const [running, latest] = await Promise.all([
      this.#deps.store.list({ ...query, status: 'processing' }),
      this.#deps.store.list(query),
    ]);
    const tasks = new Map([...running.items, ...latest.items].map((task) => [task.id, task]));
    return { stats, tasks: [...tasks.values()], now };
  }

  async stop(): Promise<void> {
    this.#watchers = 0;
    this.#wake.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (this.#watchers > 0) {
      try {
        await this.#publishChanges();
      } catch (error) {
        this.#deps.log.debug(`cannot read changes of the queue: ${messageOf(error)}`);
      }
      await this.#deps.clock.sleep(MIN_POLL_MS);
      await this.#deps.clock.sleep(POLL_MS, this.#wake.signal);
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
    this.#cursor = null;
  }

  async #publishChanges(): Promise<void> {
    const { store, clock, publish } = this.#deps;
    this.#cursor ??= (await store.readStats()).now;
    // After the clock was set back, new changes would be earlier than the cursor.
    const now = clock.now().toISOString();
    if (this.#cursor > now) this.#cursor = now;
    for (;;) {
      const rows = await store.listChanges(this.#cursor, PAGE);
      const changes = rows.filter((task) => !this.#published.has(keyOf(task)));
      for (const task of changes) publish({ kind: 'queue.task', task });
      const last = rows.at(-1);
      if (last) {
        this.#cursor = last.updated;
        this.#published = new Set(rows.filter(({ updated }) => updated === last.updated).map(keyOf));
      }
      if (changes.length > 0) this.#areStatsDue = true;
      // A full page of one millisecond would never be passed; PocketBase cannot write that many rows in it.
      if (rows.length < PAGE || changes.length === 0) break;
    }
    if (this.#areStatsDue && clock.monotonic() - this.#statsAtMs >= STATS_EVERY_MS) {
      this.#statsAtMs = clock.monotonic();
      this.#areStatsDue = false;
      const { now: _, ...stats } = await store.readStats();
      publish({ kind: 'queue.stats', stats });
    }
  }
}

function keyOf({ id, updated, status, progress }: TaskSummary): string {
  return `${id} ${updated} ${status} ${progress}`;
}
