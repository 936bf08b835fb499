import type { TaskSummary } from '../../shared/api/queue.ts';
import { messageOf } from '../../shared/errors.ts';
import type { FleetEvent } from '../../shared/events.ts';
import type { QueueSnapshot } from '../../shared/server-frames.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { TaskStore } from './store/task-store.ts';

/** Changes by other processes are seen within this time; those of this daemon at once. */
const LOOK_EVERY_MS = 500;
/** Between two looks, however much goes on. */
const REST_MS = 50;
const STATS_EVERY_MS = 1_000;
const AT_A_TIME = 500;
const SNAPSHOT_TASKS = 200;

export interface QueueWatchDeps {
  store: TaskStore;
  clock: Clock;
  log: Logger;
  publish: (event: FleetEvent) => void;
}

/**
 * Tells what changes in the queue, whoever changed it: it reads the rows that are newer than the last ones it read. Looks
 * only while somebody watches.
 */
export class QueueWatch {
  readonly #deps: QueueWatchDeps;
  #watchers = 0;
  #wake = new AbortController();
  #loop: Promise<void> | null = null;
  #cursor: string | null = null;
  /** Told already of the moment of the cursor: other rows may still come with the same time. */
  #told = new Set<string>();
  #statsAtMs = Number.NEGATIVE_INFINITY;
  #statsOwed = false;

  constructor(deps: QueueWatchDeps) {
    this.#deps = deps;
  }

  /** Until what it returns is called. */
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

  /** Something has changed. */
  poke(): void {
    if (this.#watchers > 0) this.#wake.abort();
  }

  /** Events of what was changed before `now` are contained in it. */
  async snapshot(): Promise<QueueSnapshot & { now: string }> {
    const { now, ...stats } = await this.#deps.store.stats();
    const query = { page: 1, perPage: SNAPSHOT_TASKS, sort: '-updated' };
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
        await this.#look();
      } catch (error) {
        this.#deps.log.debug(`the queue cannot be watched: ${messageOf(error)}`);
      }
      await this.#deps.clock.sleep(REST_MS);
      await this.#deps.clock.sleep(LOOK_EVERY_MS, this.#wake.signal);
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
    this.#cursor = null;
  }

  async #look(): Promise<void> {
    const { store, clock, publish } = this.#deps;
    this.#cursor ??= (await store.stats()).now;
    // The clock was set back: nothing new would be later than what was read last.
    const now = clock.now().toISOString();
    if (this.#cursor > now) this.#cursor = now;
    for (;;) {
      const rows = await store.changes(this.#cursor, AT_A_TIME);
      const news = rows.filter((task) => !this.#told.has(keyOf(task)));
      for (const task of news) publish({ kind: 'queue.task', task });
      const last = rows.at(-1);
      if (last) {
        this.#cursor = last.updated;
        this.#told = new Set(rows.filter(({ updated }) => updated === last.updated).map(keyOf));
      }
      if (news.length > 0) this.#statsOwed = true;
      // More of one moment than fit would never be passed: nobody writes that many in a millisecond.
      if (rows.length < AT_A_TIME || news.length === 0) break;
    }
    if (this.#statsOwed && clock.monotonic() - this.#statsAtMs >= STATS_EVERY_MS) {
      this.#statsAtMs = clock.monotonic();
      this.#statsOwed = false;
      const { now: _, ...stats } = await store.stats();
      publish({ kind: 'queue.stats', stats });
    }
  }
}

function keyOf({ id, updated, status, progress }: TaskSummary): string {
  return `${id} ${updated} ${status} ${progress}`;
}
