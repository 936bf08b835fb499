import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { BLOCK_DATABASES } from './sample-block.ts';
import { type UsageReading, UsageStore } from './usage-store.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);

let path: string;
let store: UsageStore;

beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'fathom-usage-'));
  path = join(directory, 'usage.db');
  store = new UsageStore(path);
  onTestFinished(() => {
    store.close();
    rmSync(directory, { recursive: true });
  });
});

function reopen(): void {
  store.close();
  store = new UsageStore(path);
}

const reading = (atMs: number, changes: Partial<UsageReading> = {}): UsageReading => ({
  atMs,
  diskBytes: 1_000,
  memoryBytes: 2_000,
  cpuPercent: 1,
  cpuCount: 1,
  ...changes,
});

const everyone = () => true;
const sizes = (name: string, nowMs: number) =>
  store.read(name, 'hour', nowMs).map(({ disk_bytes: bytes }) => bytes);

it('keeps the last size, the most memory and the mean of the processor in each hour and day', () => {
  store.add([['a', reading(START, { cpuPercent: 4 })]]);
  reopen();
  const later = { diskBytes: 500, memoryBytes: 1_500, cpuPercent: 1, cpuCount: 2 };
  store.add([['a', reading(START + 10 * 60_000, later)]]);
  store.add([
    ['a', reading(START + HOUR, { diskBytes: null, memoryBytes: null, cpuPercent: null, cpuCount: 0 })],
  ]);
  const now = START + 2 * HOUR;
  expect(store.read('a', 'hour', now)).toEqual([
    { at: '2026-01-01T00:10:00.000Z', disk_bytes: 500, memory_bytes: 2_000, cpu_percent: 2 },
    { at: '2026-01-01T01:00:00.000Z', disk_bytes: null, memory_bytes: null, cpu_percent: null },
  ]);
  expect(store.read('a', 'day', now)).toEqual([
    { at: '2026-01-01T01:00:00.000Z', disk_bytes: 500, memory_bytes: 2_000, cpu_percent: 2 },
  ]);
  expect(store.read('unknown', 'day', now)).toEqual([]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('keeps sizes of 0 and huge ones', () => {
  store.add([
    ['empty', reading(START, { diskBytes: 0, memoryBytes: 0, cpuPercent: 0 })],
    ['huge', reading(START, { diskBytes: 2 ** 55, memoryBytes: 2 ** 45, cpuPercent: 12_800 })],
  ]);
  const sample = { at: '2026-01-01T00:00:00.000Z', disk_bytes: 0, memory_bytes: 0, cpu_percent: 0 };
  expect(store.read('empty', 'day', START)).toEqual([sample]);
  expect(store.read('huge', 'day', START)).toEqual([
    { ...sample, disk_bytes: 2 ** 55, memory_bytes: 2 ** 45, cpu_percent: 12_800 },
  ]);
});

it('separates many databases, and lists the sizes of all', () => {
  const names = Array.from({ length: BLOCK_DATABASES * 2 + 3 }, (_, index) => `database-${index}`);
  store.add(names.map((name, index) => [name, reading(START, { diskBytes: index })]));
  store.add(names.map((name, index) => [name, reading(START + DAY, { diskBytes: index * 2 })]));
  const all = store.readSizes(8, START + DAY);
  expect(all.size).toBe(names.length);
  expect(names.map((name) => all.get(name)?.map(({ diskBytes }) => diskBytes))).toEqual(
    names.map((_, index) => [index, index * 2]),
  );
  expect(store.readSizes(1, START + 5 * DAY).size).toBe(0);
});

it('is bounded in time', () => {
  for (let day = 0; day < 400; day += 1) store.add([['a', reading(START + day * DAY)]]);
  const now = START + 399 * DAY;
  store.prune(now, everyone);
  expect(store.read('a', 'day', now)).toHaveLength(365);
  expect(store.read('a', 'hour', now)).toHaveLength(7);
  const rows = new DatabaseSync(path, { readOnly: true });
  const { count } = rows.prepare('SELECT count(*) AS count FROM blocks').get() as { count: number };
  rows.close();
  expect(count).toBe(365 + 168);
});

it('loses nothing to a clock that is wrong for a moment', () => {
  for (let hour = 0; hour < 48; hour += 1) store.add([['a', reading(START + hour * HOUR)]]);
  const now = START + 48 * HOUR;
  for (const wrong of [Date.UTC(2099, 0, 1), 0]) {
    store.add([['a', reading(wrong, { diskBytes: 9 })]]);
    store.prune(wrong, everyone);
  }
  store.add([['a', reading(now, { diskBytes: 7 })]]);
  store.prune(now, everyone);
  expect(sizes('a', now)).toEqual([...Array<number>(48).fill(1_000), 7]);
  // Its samples are the first that are removed.
  for (let hour = 49; hour < 48 + 168; hour += 1) store.add([['a', reading(START + hour * HOUR)]]);
  const end = START + (47 + 168) * HOUR;
  store.prune(end, everyone);
  expect(sizes('a', end)).toHaveLength(168);
});

it('forgets deleted databases, and gives nothing of them to the next', () => {
  store.add([
    ['a', reading(START, { diskBytes: 1 })],
    ['b', reading(START, { diskBytes: 2 })],
  ]);
  store.prune(START, (name) => name !== 'a');
  expect(sizes('a', START)).toEqual([]);
  store.add([['c', reading(START + HOUR, { diskBytes: 3 })]]);
  reopen();
  expect(sizes('c', START + HOUR)).toEqual([3]);
  expect(sizes('b', START + HOUR)).toEqual([2]);
  store.prune(START, () => false);
  store.prune(START, () => false);
  expect(store.readSizes(8, START).size).toBe(0);
});

it('keeps the last use of each database until it is deleted', () => {
  store.setLastUses([
    ['a', START],
    ['b', START],
  ]);
  store.setLastUses([['a', START + DAY]]);
  reopen();
  expect(store.readLastUses()).toEqual(
    new Map([
      ['a', START + DAY],
      ['b', START],
    ]),
  );
  store.prune(START + DAY, (name) => name !== 'b');
  expect(store.readLastUses()).toEqual(new Map([['a', START + DAY]]));
});

it('adds last uses to a file of an earlier version, and keeps its history', () => {
  store.add([['a', reading(START)]]);
  const earlier = new DatabaseSync(path);
  earlier.exec('DROP TABLE last_uses');
  earlier.close();
  reopen();
  expect(sizes('a', START)).toEqual([1_000]);
  expect(store.readLastUses().size).toBe(0);
});

it('starts again with a file of another layout, and refuses one that is no database', () => {
  store.add([['a', reading(START)]]);
  const other = new DatabaseSync(path);
  other.exec('PRAGMA user_version = 99');
  other.close();
  reopen();
  expect(sizes('a', START)).toEqual([]);
  store.add([['a', reading(START)]]);
  expect(sizes('a', START)).toEqual([1_000]);
  const damaged = `${path}-damaged`;
  writeFileSync(damaged, 'no database'.repeat(1_000));
  expect(() => new UsageStore(damaged)).toThrow();
});
