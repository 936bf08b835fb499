import { rmSync } from 'node:fs';
import type { UsageSample } from '../../shared/api/usage.ts';
import { messageOf } from '../../shared/errors.ts';
import type { WakeCause } from '../../shared/instance.ts';
import { firstOf } from '../base/bounded.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { type Loop, startLoop } from '../base/time/repeat.ts';
import type { EventBus } from '../events/bus.ts';
import { isUnreadable } from '../pocketbase/data/sqlite.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { Inactivity } from './inactivity-table.ts';
import { type Period, type UsageReading, UsageStore } from './usage-store.ts';
import type { SizeReading } from './usage-trend.ts';

const WRITE_EVERY_MS = 10 * 60_000;
/** A wake by an administrator, or for a schedule of the database, is no use. */
const USES: ReadonlySet<WakeCause> = new Set(['connection', 'sign_in', 'task']);
/** Databases that are written in one turn of the event loop. */
const BATCH = 1_000;

export interface UsageHistoryDeps {
  fleet: Fleet;
  bus: EventBus;
  clock: Clock;
  log: Logger;
  /** The file of the history. */
  path: string;
}

/** Collects the readings of usage, and stores them together every ten minutes. */
export class UsageHistory {
  readonly #deps: UsageHistoryDeps;
  #store: UsageStore | null = null;
  #readings = new Map<string, UsageReading>();
  /** Last uses that are not stored yet, in milliseconds since 1970. */
  readonly #lastUses = new Map<string, number>();
  #loop: Loop | null = null;
  readonly #unsubscribe: () => void;
  #problem = '';

  constructor(deps: UsageHistoryDeps) {
    this.#deps = deps;
    const { bus, fleet } = deps;
    // Before the start: wakes while no daemon ran are published early.
    this.#unsubscribe = bus.subscribe((event) => {
      if (event.kind === 'instance.removed') this.#forget(event.name);
      if (event.kind === 'instance.wake' && USES.has(event.by))
        this.#noteUse(event.name, Date.parse(event.at));
      if (event.kind !== 'instance.usage') return;
      const runner = fleet.find(event.name);
      const usedAt = runner?.use?.lastUsedAt ?? null;
      if (runner?.spec.kind === 'user' && usedAt !== null) this.#noteUse(event.name, usedAt);
      const { pss_bytes: memory, disk_bytes: disk, cpu_percent: cpu } = event.usage;
      this.#note(event.name, { memory, disk, cpu });
    });
  }

  start(): void {
    const { clock, fleet } = this.#deps;
    // The first readings arrive some seconds after the start.
    let isFirst = true;
    this.#loop ??= startLoop(clock, async () => {
      if (!isFirst) {
        await this.write();
        this.#attempt(null, (store) => store.prune(this.#nowMs(), (name) => fleet.find(name) !== null));
      }
      isFirst = false;
      return WRITE_EVERY_MS;
    });
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#loop?.stop();
    await this.write();
    this.#store?.close();
    this.#store = null;
  }

  /** The samples of a database, the oldest first, with what is not stored yet. */
  async read(name: string, period: Period): Promise<UsageSample[]> {
    await this.write();
    return this.#attempt([], (store) => store.read(name, period, this.#nowMs()));
  }

  /** The daily sizes of all databases in the last days. */
  async readSizes(days: number): Promise<Map<string, SizeReading[]>> {
    await this.write();
    return this.#attempt(new Map(), (store) => store.readSizes(days, this.#nowMs()));
  }

  /** When databases were last used, in milliseconds since 1970. Databases whose use is not known are missing. */
  async readLastUses(): Promise<Map<string, number>> {
    await this.write();
    return this.#attempt(new Map(), (store) => store.readLastUses());
  }

  /**
   * The last uses, and what is stored for DATABASE_INACTIVE_DAYS, by the name of the database. Null while they cannot be read:
   * databases without a known use would count as not used.
   */
  async readInactivity(): Promise<{
    lastUses: Map<string, number>;
    stored: Map<string, Inactivity>;
  } | null> {
    await this.write();
    const read = this.#attempt(null, (store) => ({
      lastUses: store.readLastUses(),
      stored: store.readInactivity(),
    }));
    // Those that could not be stored.
    for (const [name, usedAt] of this.#lastUses) read?.lastUses.set(name, usedAt);
    return read;
  }

  /** @param changes null removes what is stored. @returns false when they could not be stored */
  writeInactivity(changes: Iterable<readonly [name: string, inactivity: Inactivity | null]>): boolean {
    return this.#attempt(false, (store) => {
      store.writeInactivity(changes);
      return true;
    });
  }

  /** Stores the readings. They are kept for the next time when that fails. */
  async write(): Promise<void> {
    this.#writeLastUses();
    while (this.#readings.size > 0) {
      const batch = firstOf(this.#readings, BATCH);
      const isStored = this.#attempt(false, (store) => {
        store.add(batch);
        return true;
      });
      if (!isStored) return;
      for (const [name] of batch) this.#readings.delete(name);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #writeLastUses(): void {
    if (this.#lastUses.size === 0) return;
    this.#attempt(null, (store) => {
      store.setLastUses(this.#lastUses);
      this.#lastUses.clear();
    });
  }

  #noteUse(name: string, usedAtMs: number): void {
    this.#lastUses.set(name, Math.max(usedAtMs, this.#lastUses.get(name) ?? 0));
  }

  #forget(removed: string): void {
    this.#lastUses.delete(removed);
    this.#readings.delete(removed);
    this.#attempt(null, (store) => store.prune(this.#nowMs(), (name) => name !== removed));
  }

  #nowMs(): number {
    return this.#deps.clock.now().getTime();
  }

  #note(
    name: string,
    { memory, disk, cpu }: { memory: number | null; disk: number | null; cpu: number | null },
  ): void {
    const before = this.#readings.get(name);
    this.#readings.set(name, {
      atMs: this.#nowMs(),
      diskBytes: disk ?? before?.diskBytes ?? null,
      memoryBytes:
        memory === null ? (before?.memoryBytes ?? null) : Math.max(memory, before?.memoryBytes ?? 0),
      cpuPercent: cpu === null ? (before?.cpuPercent ?? null) : nextMean(before, cpu),
      cpuCount: (before?.cpuCount ?? 0) + (cpu === null ? 0 : 1),
    });
  }

  /** Best effort: without a history, everything else works. */
  #attempt<T>(otherwise: T, work: (store: UsageStore) => T): T {
    const { path, log } = this.#deps;
    try {
      this.#store ??= new UsageStore(path);
      const result = work(this.#store);
      this.#problem = '';
      return result;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) log.warn(`cannot use the history of usage in ${path}: ${problem}`);
      this.#problem = problem;
      this.#store?.close();
      this.#store = null;
      if (isUnreadable(error)) {
        log.error(`the history of usage in ${path} is damaged; it starts again`);
        for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true });
      }
      return otherwise;
    }
  }
}

function nextMean(before: UsageReading | undefined, cpu: number): number {
  const count = before?.cpuCount ?? 0;
  return ((before?.cpuPercent ?? 0) * count + cpu) / (count + 1);
}
