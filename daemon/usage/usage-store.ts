import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { UsageSample } from '../../shared/api/usage.ts';
import { inTransaction } from '../pocketbase/data/sqlite.ts';
import { INACTIVITY, type Inactivity, readInactivity, writeInactivity } from './inactivity-table.ts';
import {
  addSample,
  BLOCK_DATABASES,
  type BlockSample,
  clearSample,
  emptyBlock,
  readSample,
} from './sample-block.ts';
import type { SizeReading } from './usage-trend.ts';

const MINUTE_MS = 60_000;

/** The periods for which samples are kept. */
export const PERIODS = {
  hour: { tier: 0, ms: 60 * MINUTE_MS, count: 7 * 24 },
  day: { tier: 1, ms: 24 * 60 * MINUTE_MS, count: 365 },
} as const;

export type Period = keyof typeof PERIODS;

/** What was read of a database since the last write; `minute` is not known yet. */
export type UsageReading = Omit<BlockSample, 'minute'> & {
  /** Of the last reading. */
  atMs: number;
};

/** A file with another layout starts again. */
const LAYOUT = 1;

/** Added without another layout, which would remove the history. Times are milliseconds since 1970. */
const LAST_USES = 'CREATE TABLE IF NOT EXISTS last_uses (name TEXT PRIMARY KEY, used_at INTEGER NOT NULL)';

/** A block has the samples of BLOCK_DATABASES databases, by their id, in one period. */
const SCHEMA = `
  CREATE TABLE databases (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE blocks (tier INTEGER, slot INTEGER, block INTEGER, data BLOB NOT NULL, UNIQUE (tier, slot, block));
  PRAGMA user_version = ${LAYOUT};
`;

/** The history of usage in a file of its own. */
export class UsageStore {
  readonly #database: DatabaseSync;
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();
  #lowestFree = 0;

  /** @throws the error of SQLite for a damaged file */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: 1_000 });
    try {
      chmodSync(path, 0o600);
      this.#database.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 1048576',
      );
      this.#prepare();
      for (const { id, name } of this.#database.prepare('SELECT id, name FROM databases').iterate())
        this.#remember(Number(id), String(name));
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  /** Adds readings in one transaction. */
  add(readings: Iterable<readonly [name: string, reading: UsageReading]>): void {
    const added: string[] = [];
    try {
      inTransaction(this.#database, () => {
        const blocks = new BlockCache(this.#database);
        for (const [name, reading] of readings) {
          const known = this.#ids.get(name);
          const id = known ?? this.#register(name);
          if (known === undefined) added.push(name);
          for (const { tier, ms } of Object.values(PERIODS)) {
            const slot = Math.floor(reading.atMs / ms);
            const minute = Math.floor((reading.atMs - slot * ms) / MINUTE_MS);
            const block = blocks.change(tier, slot, Math.floor(id / BLOCK_DATABASES));
            addSample(block, id % BLOCK_DATABASES, { ...reading, minute });
          }
        }
        blocks.write();
      });
    } catch (error) {
      for (const name of added) this.#forget(name);
      throw error;
    }
  }

  /** Stores when databases were last used, in one transaction. */
  setLastUses(uses: Iterable<readonly [name: string, usedAtMs: number]>): void {
    inTransaction(this.#database, () => {
      const set = this.#database.prepare(
        'INSERT INTO last_uses VALUES (?, ?) ON CONFLICT DO UPDATE SET used_at = excluded.used_at WHERE used_at <> excluded.used_at',
      );
      for (const [name, usedAtMs] of uses) set.run(name, usedAtMs);
    });
  }

  /** When databases were last used, in milliseconds since 1970. */
  readLastUses(): Map<string, number> {
    const rows = this.#database.prepare('SELECT name, used_at FROM last_uses').all();
    return new Map(rows.map(({ name, used_at: usedAt }) => [String(name), Number(usedAt)]));
  }

  /** What is stored for DATABASE_INACTIVE_DAYS, by the name of the database. */
  readInactivity(): Map<string, Inactivity> {
    return readInactivity(this.#database);
  }

  /** Stores it in one transaction. @param changes null removes a row */
  writeInactivity(changes: Iterable<readonly [name: string, inactivity: Inactivity | null]>): void {
    inTransaction(this.#database, () => writeInactivity(this.#database, changes));
  }

  /** Removes what is too old, and databases that no longer exist. */
  prune(nowMs: number, exists: (name: string) => boolean): void {
    const gone = [...this.#ids].filter(([name]) => !exists(name));
    inTransaction(this.#database, () => {
      const remove = this.#database.prepare('DELETE FROM blocks WHERE tier = ? AND slot = ?');
      for (const { tier, ms, count } of Object.values(PERIODS)) {
        const now = Math.floor(nowMs / ms);
        const slots = this.#slots(tier);
        // By their number, so that a clock that is wrong for a moment removes nothing else. Its own samples go first.
        const later = slots.filter((slot) => slot > now).toReversed();
        const oldest = [...later, ...slots.filter((slot) => slot <= now)];
        for (const slot of oldest.slice(0, Math.max(0, slots.length - count))) remove.run(tier, slot);
      }
      this.#removeDatabases(gone);
      const removeUse = this.#database.prepare('DELETE FROM last_uses WHERE name = ?');
      for (const name of this.readLastUses().keys()) if (!exists(name)) removeUse.run(name);
      const ended = [...this.readInactivity().keys()].filter((name) => !exists(name));
      writeInactivity(
        this.#database,
        ended.map((name) => [name, null]),
      );
    });
    for (const [name] of gone) this.#forget(name);
  }

  /** The samples of a database up to now, the oldest first. */
  read(name: string, period: Period, nowMs: number): UsageSample[] {
    const { tier, ms, count } = PERIODS[period];
    const id = this.#ids.get(name);
    if (id === undefined) return [];
    const now = Math.floor(nowMs / ms);
    const samples: UsageSample[] = [];
    const rows = this.#database
      .prepare(
        'SELECT slot, data FROM blocks WHERE tier = ? AND slot > ? AND slot <= ? AND block = ? ORDER BY slot',
      )
      .iterate(tier, now - count, now, Math.floor(id / BLOCK_DATABASES));
    for (const { slot, data } of rows) {
      const sample = readSample(data as Uint8Array, id % BLOCK_DATABASES);
      if (sample !== null) samples.push(toSample(Number(slot) * ms, sample));
    }
    return samples;
  }

  /** The daily sizes of all databases in the last days, the oldest first. */
  readSizes(days: number, nowMs: number): Map<string, SizeReading[]> {
    const { tier, ms } = PERIODS.day;
    const now = Math.floor(nowMs / ms);
    const found = new Map<string, SizeReading[]>();
    const rows = this.#database
      .prepare('SELECT slot, block, data FROM blocks WHERE tier = ? AND slot > ? AND slot <= ? ORDER BY slot')
      .iterate(tier, now - days, now);
    for (const { slot, block, data } of rows) {
      for (let index = 0; index < BLOCK_DATABASES; index += 1) {
        const sample = readSample(data as Uint8Array, index);
        const name = this.#names.get(Number(block) * BLOCK_DATABASES + index);
        if (sample === null || name === undefined) continue;
        const one = { atMs: Number(slot) * ms + sample.minute * MINUTE_MS, diskBytes: sample.diskBytes };
        const samples = found.get(name);
        if (samples === undefined) found.set(name, [one]);
        else samples.push(one);
      }
    }
    return found;
  }

  #prepare(): void {
    const layout = Number(this.#database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (layout !== LAYOUT) {
      inTransaction(this.#database, () =>
        this.#database.exec(`DROP TABLE IF EXISTS blocks; DROP TABLE IF EXISTS databases; ${SCHEMA}`),
      );
    }
    this.#database.exec(LAST_USES);
    this.#database.exec(INACTIVITY);
  }

  /** Gives a database the lowest free id, so that the blocks of deleted ones are used again. */
  #register(name: string): number {
    while (this.#names.has(this.#lowestFree)) this.#lowestFree += 1;
    const id = this.#lowestFree;
    this.#database.prepare('INSERT INTO databases VALUES (?, ?)').run(id, name);
    this.#remember(id, name);
    return id;
  }

  #remember(id: number, name: string): void {
    this.#ids.set(name, id);
    this.#names.set(id, name);
  }

  #forget(name: string): void {
    const id = this.#ids.get(name);
    if (id === undefined) return;
    this.#ids.delete(name);
    this.#names.delete(id);
    this.#lowestFree = Math.min(this.#lowestFree, id);
  }

  #removeDatabases(gone: readonly (readonly [name: string, id: number])[]): void {
    if (gone.length === 0) return;
    const blocks = new BlockCache(this.#database);
    const remove = this.#database.prepare('DELETE FROM databases WHERE id = ?');
    const byBlock = Map.groupBy(gone, ([, id]) => Math.floor(id / BLOCK_DATABASES));
    for (const { tier } of Object.values(PERIODS)) {
      for (const slot of this.#slots(tier)) {
        for (const [block, some] of byBlock) {
          const data = blocks.find(tier, slot, block);
          if (data !== null) for (const [, id] of some) clearSample(data, id % BLOCK_DATABASES);
        }
      }
    }
    blocks.write();
    for (const [, id] of gone) remove.run(id);
  }

  /** The oldest first. */
  #slots(tier: number): number[] {
    return this.#database
      .prepare('SELECT DISTINCT slot FROM blocks WHERE tier = ? ORDER BY slot')
      .all(tier)
      .map(({ slot }) => Number(slot));
  }
}

/** Blocks that a transaction changes. */
class BlockCache {
  readonly #database: DatabaseSync;
  readonly #blocks = new Map<string, { tier: number; slot: number; block: number; data: Uint8Array }>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  change(tier: number, slot: number, block: number): Uint8Array {
    const found = this.find(tier, slot, block);
    if (found !== null) return found;
    const data = emptyBlock();
    this.#blocks.set(`${tier} ${slot} ${block}`, { tier, slot, block, data });
    return data;
  }

  /** Null when there is none. A block of the wrong size is replaced. */
  find(tier: number, slot: number, block: number): Uint8Array | null {
    const key = `${tier} ${slot} ${block}`;
    const known = this.#blocks.get(key);
    if (known) return known.data;
    const stored = this.#database
      .prepare('SELECT data FROM blocks WHERE tier = ? AND slot = ? AND block = ?')
      .get(tier, slot, block)?.['data'];
    if (!(stored instanceof Uint8Array)) return null;
    const empty = emptyBlock();
    const data = stored.byteLength === empty.byteLength ? stored : empty;
    this.#blocks.set(key, { tier, slot, block, data });
    return data;
  }

  write(): void {
    const save = this.#database.prepare(
      'INSERT INTO blocks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET data = excluded.data',
    );
    for (const { tier, slot, block, data } of this.#blocks.values()) save.run(tier, slot, block, data);
  }
}

function toSample(startMs: number, { minute, diskBytes, memoryBytes, cpuPercent }: BlockSample): UsageSample {
  return {
    at: new Date(startMs + minute * MINUTE_MS).toISOString(),
    disk_bytes: diskBytes === null ? null : Math.round(diskBytes),
    memory_bytes: memoryBytes === null ? null : Math.round(memoryBytes),
    cpu_percent: cpuPercent === null ? null : Math.round(cpuPercent * 10) / 10,
  };
}
