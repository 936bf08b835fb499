import { statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import {
  failedSignIns,
  limitRequestLog,
  MAX_LOG_BYTES,
  MAX_REQUESTS_PER_MINUTE,
  MAX_ROWS,
  requestLogLimit,
} from './request-log-limit.ts';

const log = pino({ enabled: false });
const STOPPED = { instance: 'ann', isStopped: true, log };

/** A log as PocketBase creates it. */
async function emptyLog(): Promise<{ file: string; database: DatabaseSync }> {
  const file = join(await scratch(), 'auxiliary.db');
  const database = new DatabaseSync(file);
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  database.exec(`PRAGMA journal_mode = WAL;
    CREATE TABLE _logs (id TEXT PRIMARY KEY DEFAULT ('r'||lower(hex(randomblob(7)))) NOT NULL, level INTEGER DEFAULT 0 NOT NULL,
      message TEXT DEFAULT "" NOT NULL, data JSON DEFAULT "{}" NOT NULL, created TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ')) NOT NULL);
    CREATE INDEX idx_logs_message on _logs (message);`);
  return { file, database };
}

const request = (url: string, more: Record<string, unknown> = {}) => ({
  type: 'request',
  url,
  method: 'GET',
  status: 404,
  ...more,
});

function insert(
  database: DatabaseSync,
  entries: readonly { data: Record<string, unknown>; message?: string; created?: Date }[],
): void {
  const statement = database.prepare('INSERT INTO _logs (message, data, created) VALUES (?, ?, ?)');
  database.exec('BEGIN');
  for (const { data, message = 'x', created = new Date() } of entries) {
    statement.run(message, JSON.stringify(data), created.toISOString().replace('T', ' '));
  }
  database.exec('COMMIT');
}

const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);

function count(database: DatabaseSync, condition = '1'): number {
  return Number(database.prepare(`SELECT count(*) AS n FROM _logs WHERE ${condition}`).get()?.['n']);
}

it('keeps a number of failed requests per minute, and in all', async () => {
  const { file, database } = await emptyLog();
  expect(limitRequestLog(file, STOPPED)).toBe(true);
  const days = Array.from({ length: 2 * MAX_ROWS }, (_, n) => ({
    data: request(`/old/${n}`),
    created: minutesAgo(2 * MAX_ROWS - n + 2),
  }));
  insert(database, days);
  expect(count(database)).toBe(MAX_ROWS);
  const flood = Array.from({ length: 2 * MAX_REQUESTS_PER_MINUTE }, (_, n) => ({ data: request(`/${n}`) }));
  insert(database, flood);
  expect(count(database, "created > strftime('%Y-%m-%d %H:%M:%fZ', 'now', '-60 seconds')")).toBe(
    MAX_REQUESTS_PER_MINUTE,
  );
  expect(count(database)).toBe(MAX_ROWS);
});

it('does not push out reports of mails and hooks, and limits them separately', async () => {
  const { file, database } = await emptyLog();
  limitRequestLog(file, STOPPED);
  insert(database, [{ data: { error: 'cannot send the mail' } }, { data: {} }]);
  insert(
    database,
    Array.from({ length: 2 * MAX_ROWS }, (_, n) => ({
      data: request(`/${n}`),
      created: minutesAgo(5000 - n),
    })),
  );
  expect(count(database, "json_extract(data, '$.error') = 'cannot send the mail'")).toBe(1);
  insert(
    database,
    Array.from({ length: 2 * MAX_ROWS }, (_, n) => ({ data: { n } })),
  );
  expect(count(database, "json_extract(data, '$.type') IS NULL")).toBe(MAX_ROWS);
  expect(count(database, "json_extract(data, '$.type') = 'request'")).toBe(MAX_ROWS);
});

it.each([
  [
    'a long URL',
    request(`/${'x'.repeat(3000)}`, { referer: 'r'.repeat(2000), userAgent: 'u'.repeat(2000) }),
    3500,
  ],
  ['details of any length', request('/', { details: { deep: 'd'.repeat(1_000_000) } }), 3500],
  ['characters of four bytes', request('/', { error: '\u{1F600}'.repeat(100_000) }), 3500],
  ['another row', { text: 't'.repeat(1_000_000) }, 6000],
])('shortens a row with %s', async (_, data, bytes) => {
  const { file, database } = await emptyLog();
  limitRequestLog(file, STOPPED);
  insert(database, [{ data, message: 'm'.repeat(10_000) }]);
  const [row] = database.prepare('SELECT message, data FROM _logs').all();
  expect(String(row?.['message'])).toHaveLength(500);
  const stored = JSON.parse(String(row?.['data'])) as Record<string, unknown>;
  expect(Buffer.byteLength(String(row?.['data']))).toBeLessThan(bytes);
  if ('status' in data) expect(stored).toMatchObject({ type: 'request', status: 404, method: 'GET' });
});

it('logs new requests after the clock was set back', async () => {
  const { file, database } = await emptyLog();
  limitRequestLog(file, STOPPED);
  insert(
    database,
    Array.from({ length: MAX_ROWS / 2 }, () => ({ data: request('/future'), created: minutesAgo(-60) })),
  );
  insert(database, [{ data: request('/now') }]);
  expect(count(database, "json_extract(data, '$.url') = '/now'")).toBe(1);
});

it('counts failed sign-ins, also those that the log leaves out', async () => {
  const { file, database } = await emptyLog();
  expect(failedSignIns(file, 15)).toBe(0);
  limitRequestLog(file, STOPPED);
  const failed = { method: 'POST', status: 400 };
  const signIn = '/api/collections/users/auth-with-password';
  insert(
    database,
    [
      request(signIn, failed),
      request(`${signIn}?fields=token`, failed),
      request('/api/collections/users/auth%2Dwith%2Dpassword', failed),
      request(signIn, { ...failed, status: 429 }),
      request(signIn, { ...failed, method: 'GET' }),
      request('/api/collections/users/records?x=/auth-with-password%20', failed),
      { ...request(signIn, failed), type: 'other' },
    ].map((data) => ({ data })),
  );
  expect(failedSignIns(file, 15)).toBe(3);
  insert(
    database,
    Array.from({ length: 2 * MAX_REQUESTS_PER_MINUTE }, () => ({ data: request(signIn, failed) })),
  );
  expect(failedSignIns(file, 15)).toBe(3 + 2 * MAX_REQUESTS_PER_MINUTE);
  database.exec('UPDATE _fathom_log_failures SET minute = minute - 20');
  expect(failedSignIns(file, 15)).toBe(0);
  database.exec('UPDATE _fathom_log_failures SET minute = minute - 20');
  insert(database, [{ data: request(signIn, failed) }]);
  expect(
    database
      .prepare('SELECT count FROM _fathom_log_failures')
      .all()
      .map((row) => row['count']),
  ).toEqual([1]);
});

it('replaces a log from before the limit by its last rows, with the limits', async () => {
  const { file, database } = await emptyLog();
  const large = {
    data: request(`/${'x'.repeat(3000)}`, { details: 'd'.repeat(14_000) }),
    created: minutesAgo(90),
  };
  insert(
    database,
    Array.from({ length: 3000 }, () => large),
  );
  insert(database, [{ data: request('/last'), created: minutesAgo(80) }, { data: { cause: 'mail' } }]);
  database.close();
  expect(statSync(file).size).toBeGreaterThan(MAX_LOG_BYTES);

  expect(limitRequestLog(file, { ...STOPPED, isStopped: false })).toBe(true);
  expect(statSync(file).size).toBeGreaterThan(MAX_LOG_BYTES);
  expect(limitRequestLog(file, STOPPED)).toBe(true);
  expect(statSync(file).size).toBeLessThan(MAX_LOG_BYTES / 4);
  const shrunk = new DatabaseSync(file);
  onTestFinished(() => shrunk.close());
  expect(count(shrunk)).toBe(MAX_ROWS);
  expect(count(shrunk, "json_extract(data, '$.url') = '/last'")).toBe(1);
  expect(count(shrunk, "json_extract(data, '$.cause') = 'mail'")).toBe(1);
  insert(shrunk, [{ data: {}, message: 'm'.repeat(10_000) }]);
  expect(count(shrunk, 'length(message) > 500')).toBe(0);
});

it('replaces limits of another release', async () => {
  const { file, database } = await emptyLog();
  database.exec(
    'CREATE TRIGGER _fathom_log_rate BEFORE INSERT ON _logs BEGIN SELECT RAISE(IGNORE); END; CREATE INDEX _fathom_log_old ON _logs (level)',
  );
  expect(limitRequestLog(file, STOPPED)).toBe(true);
  insert(database, [{ data: {} }]);
  expect(count(database)).toBe(1);
  expect(
    database.prepare("SELECT 1 FROM sqlite_master WHERE name = '_fathom_log_old'").get(),
  ).toBeUndefined();
});

it.each([
  ['is missing', null],
  ['is empty', ''],
  ['is not a database', 'no database'.repeat(1000)],
])('does not block a start when the log %s', async (_, content) => {
  const file = join(await scratch(), 'auxiliary.db');
  if (content !== null) await writeFile(file, content);
  expect(limitRequestLog(file, STOPPED)).toBe(false);
});

it('limits a log that the start has created', async () => {
  const directory = await scratch();
  const limit = requestLogLimit(join(directory, 'auxiliary.db'), { instance: 'global', log });
  limit.beforeStart();
  const database = new DatabaseSync(join(directory, 'auxiliary.db'));
  onTestFinished(() => database.close());
  database.exec(
    "CREATE TABLE _logs (id TEXT, level INTEGER, message TEXT, data JSON DEFAULT '{}', created TEXT)",
  );
  limit.afterStart();
  insert(database, [{ data: {}, message: 'm'.repeat(1000) }]);
  expect(count(database, 'length(message) = 500')).toBe(1);
});
