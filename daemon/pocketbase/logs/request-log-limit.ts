import { rmSync, statSync } from 'node:fs';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import { requireSafeSchema, UnsafeDatabase } from '../data/schema-check.ts';
import { hasTable, inTransaction, isUnreadable, quoteName, withDatabase } from '../data/sqlite.ts';

/*
 * PocketBase logs every failed request, with texts that the client chooses, and does not limit the size of its log. Triggers
 * in `auxiliary.db` limit it: they work without hooks, and PocketBase never changes them. Failed requests and other rows are
 * limited separately, so that strangers cannot push out reports of mails, jobs and hooks.
 */

/** Rows of failed requests, and rows of anything else. */
export const MAX_ROWS = 1_000;
/** New rows of failed requests per minute. */
export const MAX_REQUESTS_PER_MINUTE = 300;
/** A log with more bytes is from before these limits. It is replaced by its last rows. */
export const MAX_LOG_BYTES = 32 * 1024 * 1024;

/** Characters. Longer rows are shortened. */
const MAX_MESSAGE = 500;
const MAX_DATA = 4_000;
const MAX_URL = 1_000;
const MAX_TEXT = 500;
/** Longer rows are left out when a log is replaced. */
const MAX_KEPT_DATA = 100_000;
/** A running PocketBase holds a lock for the time of one write. */
const TIMEOUT_MS = 2_000;

const isRequest = (data: string): string => `coalesce(json_extract(${data}, '$.type'), '') = 'request'`;
const shortened = (key: string, length: number): string =>
  `'${key}', substr(json_extract(data, '$.${key}'), 1, ${length})`;
const ago = (modifier: string): string => `strftime('%Y-%m-%d %H:%M:%fZ', 'now', '${modifier}')`;

const MINUTE = 'unixepoch() / 60';
const KEPT_MINUTES = 20;
const urlOf = (data: string): string => `json_extract(${data}, '$.url')`;
const pathOf = (data: string): string => `substr(${urlOf(data)}, 1, instr(${urlOf(data)} || '?', '?') - 1)`;

/** A client can write the path with percent signs, so those count as well. */
const isFailedSignIn = (data: string): string =>
  `json_extract(${data}, '$.status') = 400 AND json_extract(${data}, '$.method') = 'POST'
          AND (${pathOf(data)} LIKE '%/auth-with-password%' OR instr(${pathOf(data)}, '%') > 0)`;

/** The statements that create the limits, by name. A changed one replaces the stored one. */
const LIMITS: Readonly<Record<string, { type: 'index' | 'table' | 'trigger'; sql: string }>> = {
  // Failed sign-ins with a password, by minute.
  _fathom_log_failures: {
    type: 'table',
    sql: 'CREATE TABLE _fathom_log_failures (minute INTEGER PRIMARY KEY, count INTEGER NOT NULL)',
  },
  // Counts of pb_hooks/user/sign-in-limits.js.
  _fathom_log_attempts: {
    type: 'table',
    sql: 'CREATE TABLE _fathom_log_attempts (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID',
  },
  _fathom_log_attempts_until: {
    type: 'index',
    sql: 'CREATE INDEX _fathom_log_attempts_until ON _fathom_log_attempts (until)',
  },
  _fathom_log_kind: {
    type: 'index',
    sql: `CREATE INDEX _fathom_log_kind ON _logs (${isRequest('data')}, created)`,
  },
  _fathom_log_rate: {
    type: 'trigger',
    // Rows from the future do not count: the clock was corrected. One trigger, because SQLite defines no order of triggers.
    sql: `CREATE TRIGGER _fathom_log_rate BEFORE INSERT ON _logs
      WHEN ${isRequest('NEW.data')}
      BEGIN
        DELETE FROM _fathom_log_failures
          WHERE ${isFailedSignIn('NEW.data')} AND minute < ${MINUTE} - ${KEPT_MINUTES};
        INSERT INTO _fathom_log_failures (minute, count)
          SELECT ${MINUTE}, 1 WHERE ${isFailedSignIn('NEW.data')}
          ON CONFLICT (minute) DO UPDATE SET count = count + 1;
        SELECT RAISE(IGNORE) WHERE (
          SELECT created FROM _logs WHERE (${isRequest('data')}) = 1
          ORDER BY created DESC LIMIT 1 OFFSET ${MAX_REQUESTS_PER_MINUTE - 1}
        ) BETWEEN ${ago('-60 seconds')} AND ${ago('+1 seconds')};
      END`,
  },
  _fathom_log_length: {
    type: 'trigger',
    sql: `CREATE TRIGGER _fathom_log_length AFTER INSERT ON _logs
      WHEN length(NEW.message) > ${MAX_MESSAGE} OR length(NEW.data) > ${MAX_DATA}
      BEGIN
        UPDATE _logs SET message = substr(message, 1, ${MAX_MESSAGE}), data = CASE
          WHEN length(data) <= ${MAX_DATA} THEN data
          WHEN ${isRequest('data')} THEN json_object('type', 'request',
            'status', json_extract(data, '$.status'), 'execTime', json_extract(data, '$.execTime'),
            ${shortened('url', MAX_URL)},
            ${['method', 'error', 'details', 'referer', 'userAgent', 'auth', 'authId', 'userIP', 'remoteIP']
              .map((key) => shortened(key, MAX_TEXT))
              .join(', ')})
          ELSE json_object('shortened', substr(data, 1, ${MAX_DATA})) END
        WHERE rowid = NEW.rowid;
      END`,
  },
  _fathom_log_rows: {
    type: 'trigger',
    sql: `CREATE TRIGGER _fathom_log_rows AFTER INSERT ON _logs
      BEGIN
        DELETE FROM _logs WHERE rowid IN (
          SELECT rowid FROM _logs WHERE (${isRequest('data')}) = (${isRequest('NEW.data')})
          ORDER BY created DESC LIMIT -1 OFFSET ${MAX_ROWS});
      END`,
  },
};

/**
 * Limits PocketBase's own log, and shrinks it if it is larger than the limits allow.
 *
 * @param file `auxiliary.db`; nothing happens before PocketBase has created it
 * @param options.isStopped whether no process uses the file; a used one is not shrunk
 * @returns whether the log is limited now
 */
export function limitRequestLog(
  file: string,
  { instance, isStopped, log }: { instance: string; isStopped: boolean; log: Logger },
): boolean {
  if (!statSync(file, { throwIfNoEntry: false })?.size) return false;
  try {
    const bytes = logBytes(file);
    if (isStopped && bytes > MAX_LOG_BYTES) {
      shrink(file);
      log.warn(
        { instance },
        `shortened the log of its PocketBase from ${Math.round(bytes / 1024 / 1024)} MB: kept the last rows of auxiliary.db`,
      );
    }
    if (withDatabase(file, { readOnly: true }, isLimited)) return true;
    return withDatabase(file, { readOnly: false, timeoutMs: TIMEOUT_MS }, (database) => {
      if (!hasTable(database, '_logs')) return false;
      inTransaction(database, () => createLimits(database), { allowTriggers: true });
      return true;
    });
  } catch (error) {
    // Does not block the start: the log is not needed, and PocketBase itself reports a problem of its file.
    log.warn({ instance }, `cannot limit the log of its PocketBase (auxiliary.db): ${messageOf(error)}`);
    return false;
  }
}

/** The sign-ins with a password that failed in the last minutes; 0 before the log is limited. */
export function failedSignIns(file: string, minutes: number): number {
  return withDatabase(file, { readOnly: true }, (database) => {
    if (!hasTable(database, '_fathom_log_failures')) return 0;
    const sql = `SELECT coalesce(sum(count), 0) AS sum FROM _fathom_log_failures WHERE minute > ${MINUTE} - ?`;
    return Number(database.prepare(sql).get(minutes)?.['sum']);
  });
}

/** Limits the log of one instance: before each start, or after a start that created the log. */
export function requestLogLimit(
  file: string,
  { instance, log }: { instance: string; log: Logger },
): { beforeStart: () => void; afterStart: () => void } {
  let isDone = false;
  return {
    beforeStart: () => {
      isDone = limitRequestLog(file, { instance, isStopped: true, log });
    },
    afterStart: () => {
      if (!isDone) isDone = limitRequestLog(file, { instance, isStopped: false, log });
    },
  };
}

function logBytes(file: string): number {
  return [file, `${file}-wal`]
    .map((one) => statSync(one, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}

function isLimited(database: DatabaseSync): boolean {
  const rows = database.prepare("SELECT name, sql FROM sqlite_master WHERE name GLOB '_fathom_log_*'").all();
  const stored = new Map(rows.map((row) => [String(row['name']), row['sql']]));
  const wanted = Object.entries(LIMITS);
  return stored.size === wanted.length && wanted.every(([name, { sql }]) => stored.get(name) === sql);
}

const DROPPED_TYPES: ReadonlySet<string> = new Set(['index', 'table', 'trigger']);

function createLimits(database: DatabaseSync): void {
  const stored = database
    .prepare("SELECT type, name FROM sqlite_master WHERE name GLOB '_fathom_log_*' ORDER BY type = 'table'")
    .all();
  for (const { type, name } of stored) {
    if (!DROPPED_TYPES.has(String(type)))
      throw new UnsafeDatabase(`auxiliary.db has a ${String(type)} of Fathom's name`);
    database.exec(`DROP ${String(type)} ${quoteName(String(name))}`);
  }
  for (const { sql } of Object.values(LIMITS)) database.exec(sql);
}

/**
 * Replaces the file by one with its last rows. Unlike VACUUM, this needs no space for a copy: a log of this size may have
 * filled the disk.
 */
function shrink(file: string): void {
  let statements: string[] = [];
  let rows: Record<string, SQLOutputValue>[] = [];
  try {
    withDatabase(file, { readOnly: false }, (database) => {
      database.exec('BEGIN');
      requireSafeSchema(database, { allowTriggers: true });
      const schema = database.prepare(
        `SELECT sql FROM sqlite_master WHERE tbl_name = '_logs' AND sql IS NOT NULL AND name NOT GLOB '_fathom_log_*'
         AND type IN ('table', 'index') ORDER BY type = 'table' DESC`,
      );
      statements = schema.all().map(({ sql }) => String(sql));
      rows = database
        .prepare(
          `SELECT id, level, message, data, created FROM (SELECT * FROM _logs ORDER BY rowid DESC LIMIT ?)
           WHERE octet_length(data) < ${MAX_KEPT_DATA} AND octet_length(message) < ${MAX_KEPT_DATA}`,
        )
        .all(MAX_ROWS)
        .toReversed();
    });
  } catch (error) {
    // A full disk can prevent reading as well. The log is worth less than the space.
    if (isUnreadable(error)) throw error;
  }
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${file}${suffix}`, { force: true });
  // PocketBase creates a missing file.
  if (statements.length === 0) return;
  const database = new DatabaseSync(file);
  try {
    inTransaction(database, () => {
      // Only the first statement of each text: the file of the tenant may contain more.
      for (const sql of statements) database.prepare(sql).run();
      createLimits(database);
      const insert = database.prepare(
        'INSERT INTO _logs (id, level, message, data, created) VALUES (:id, :level, :message, :data, :created)',
      );
      for (const row of rows) insert.run(row);
    });
  } finally {
    database.close();
  }
}
