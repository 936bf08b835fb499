import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import type { WorkEvent } from '../../../shared/work/events.ts';
import { forEachConcurrent } from '../../base/concurrent.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { CatalogEntry } from '../../databases/catalog.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import type { AwakeDatabase } from '../own-database.ts';
import type { ActivityReader, ActivityRow } from './activity-reader.ts';

/** Between two reads while the database is written all the time. */
const MIN_GAP_MS = 25;
/** A write is seen a moment before others can read it, so each is followed by a second read. */
const SECOND_READ_MS = 300;
/** Rows of a usual read, and of one that finds more. */
const ROWS = 20;
const MAX_ROWS = 100;
const CONCURRENT_READS = 4;
const MAX_RETRIES = 5;
const RETRY_MS = 1_000;
/** A write or a start ends the wait. */
const IDLE_MS = 3_600_000;

/** Follows one project. */
export interface Follower {
  /** Everything before is in what the API answers from now on. Called at first, and after a gap. */
  reset(phase: InstancePhase): void;
  event(event: WorkEvent): void;
  /** Nothing follows. */
  end(error: FathomError): void;
}

export interface FeedDeps {
  reader: Pick<ActivityReader, 'latest' | 'requireProject' | 'eventOf'>;
  watchWrites: (dataDir: string, onWrite: () => void) => Disposable;
  clock: Clock;
  log: Logger;
}

/**
 *   asked ── project exists ──▶ following
 *     └── no process ──▶ waiting ── it runs, project exists ──▶ following
 */
interface Following {
  projectId: string;
  follower: Follower;
  state: 'asked' | 'waiting' | 'following';
  settle: (error: unknown) => void;
}

/**
 * The changes of one database, for those that follow its projects. They are rows of its activity log, read with a cursor, so that
 * neither a restart nor a sleep of the database loses one. It reads only after a write, so it does not keep the database awake.
 */
export class DatabaseFeed implements Disposable {
  readonly #entry: CatalogEntry;
  readonly #deps: FeedDeps;
  readonly #following = new Set<Following>();
  readonly #loop: Loop;
  #watcher: Disposable | null = null;
  /** The id of the last row that was read; null when there was none, undefined before the first read. */
  #cursor: string | null | undefined;
  /** Reads to do. */
  #due = 0;
  #failures = 0;

  constructor(entry: CatalogEntry, deps: FeedDeps) {
    this.#entry = entry;
    this.#deps = deps;
    this.#loop = startLoop(deps.clock, (stopping) => this.#run(stopping));
  }

  get isUsed(): boolean {
    return this.#following.size > 0;
  }

  /** `settled` rejects with the reason when the project cannot be followed. */
  follow(projectId: string, follower: Follower): { settled: Promise<void>; end: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (error: unknown) => (error === null ? resolve() : reject(error));
    const following: Following = { projectId, follower, state: 'asked', settle };
    this.#following.add(following);
    this.#scheduleReads(1);
    const end = () => {
      this.#following.delete(following);
      resolve();
    };
    return { settled: promise, end };
  }

  phaseChanged(phase: InstancePhase): void {
    // The next process may use another directory, as after a restore.
    if (phase !== 'running') this.#closeWatcher();
    this.#scheduleReads(2);
  }

  /** Ends all that follow. */
  close(error: FathomError): void {
    for (const { follower, state, settle } of this.#following) {
      if (state === 'asked') settle(error);
      else follower.end(error);
    }
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#following.clear();
    this.#closeWatcher();
    void this.#loop.stop();
  }

  #scheduleReads(times: number): void {
    this.#due = Math.max(this.#due, times);
    this.#loop.wake();
  }

  /** Returns the milliseconds until the next run. */
  async #run(stopping: AbortSignal): Promise<number> {
    const { phase } = this.#entry.runner.state;
    const database = this.#database();
    if (database === null) {
      for (const following of this.#inState('asked')) {
        following.state = 'waiting';
        following.follower.reset(phase);
        following.settle(null);
      }
      return IDLE_MS;
    }
    if (this.#due === 0) return IDLE_MS;
    this.#due -= 1;
    try {
      this.#watcher ??= this.#watch();
      await this.#readChanges(database);
      await this.#admit(database);
      this.#failures = 0;
    } catch (error) {
      return this.#noteFailure(error);
    }
    await this.#deps.clock.sleep(MIN_GAP_MS, stopping);
    return this.#due === 0 ? IDLE_MS : SECOND_READ_MS;
  }

  /** Its process answers now, otherwise null. A request to another one would wake it. */
  #database(): AwakeDatabase | null {
    const { phase, observed } = this.#entry.runner.state;
    return phase === 'running' && observed.port !== null ? { entry: this.#entry, port: observed.port } : null;
  }

  #watch(): Disposable {
    const { name } = this.#entry.row;
    try {
      return this.#deps.watchWrites(dataDirOf(this.#entry.instance.directory), () => this.#scheduleReads(2));
    } catch (error) {
      this.#deps.log.warn({ instance: name }, `cannot watch its files: ${messageOf(error)}`);
      throw new FathomError(
        'database.unavailable',
        `changes of ${name} cannot be followed now; ask an administrator, who finds the cause in the log`,
        { cause: error },
      );
    }
  }

  async #readChanges(database: AwakeDatabase): Promise<void> {
    const { reader } = this.#deps;
    const cursor = this.#cursor;
    let rows = await reader.latest(database, ROWS);
    let fresh = cursor === undefined ? null : rowsAfter(cursor, rows, ROWS);
    if (cursor !== undefined && fresh === null) {
      rows = await reader.latest(database, MAX_ROWS);
      fresh = rowsAfter(cursor, rows, MAX_ROWS);
    }
    const events = await this.#eventsOf(database, fresh ?? []);
    // Synchronous from here on: no subscription begins between the cursor and the events.
    this.#cursor = rows[0]?.id ?? null;
    const followed = this.#inState('following');
    if (fresh === null) for (const { follower } of followed) follower.reset('running');
    for (const event of events)
      for (const { projectId, follower } of followed)
        if (projectId === event.project_id) follower.event(event);
  }

  /** Those of followed projects, in the order of the rows. */
  async #eventsOf(database: AwakeDatabase, rows: readonly ActivityRow[]): Promise<WorkEvent[]> {
    const projects = new Set(this.#inState('following').map(({ projectId }) => projectId));
    const wanted = rows.filter(({ project }) => projects.has(project));
    const events = new Map<ActivityRow, WorkEvent | null>();
    await forEachConcurrent(wanted, CONCURRENT_READS, async (row) => {
      events.set(row, await this.#deps.reader.eventOf(database, row));
    });
    return wanted.flatMap((row) => events.get(row) ?? []);
  }

  /** Lets those follow whose project exists. */
  async #admit(database: AwakeDatabase): Promise<void> {
    for (const following of [...this.#inState('asked'), ...this.#inState('waiting')]) {
      const { follower, projectId, settle } = following;
      try {
        await this.#deps.reader.requireProject(database, projectId);
      } catch (error) {
        const isMissing = error instanceof FathomError && error.code === 'not_found';
        if (following.state === 'waiting' && !isMissing) throw error;
        this.#following.delete(following);
        if (following.state === 'asked') settle(error);
        else follower.end(error as FathomError);
        continue;
      }
      if (!this.#following.has(following)) continue;
      following.state = 'following';
      follower.reset('running');
      settle(null);
    }
  }

  #noteFailure(error: unknown): number {
    for (const following of this.#inState('asked')) {
      following.settle(error);
      this.#following.delete(following);
    }
    this.#failures += 1;
    if (this.#failures > MAX_RETRIES) {
      this.#failures = 0;
      this.#deps.log.warn(
        { instance: this.#entry.row.name },
        `cannot read its changes, the next write tries again: ${messageOf(error)}`,
      );
      return IDLE_MS;
    }
    this.#due = Math.max(this.#due, 1);
    return RETRY_MS * this.#failures;
  }

  #inState(state: Following['state']): Following[] {
    return [...this.#following].filter((following) => following.state === state);
  }

  #closeWatcher(): void {
    this.#watcher?.[Symbol.dispose]();
    this.#watcher = null;
  }
}

/**
 * The rows after the cursor, the oldest first; null when they are not known.
 *
 * @param rows the latest, the latest first @param limit of the read
 */
function rowsAfter(cursor: string | null, rows: readonly ActivityRow[], limit: number): ActivityRow[] | null {
  if (cursor === null) return rows.length < limit ? rows.toReversed() : null;
  const at = rows.findIndex(({ id }) => id === cursor);
  return at === -1 ? null : rows.slice(0, at).toReversed();
}
