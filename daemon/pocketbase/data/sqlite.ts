import { lstatSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MAX_STATEMENT_BYTES, MAX_VALUE_BYTES, requireSafeSchema, UnsafeDatabase } from './schema-check.ts';

/** SQLite's codes for a damaged file, and for a file that is not a database. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const SQLITE_FULL = 13;

export interface OpenOptions {
  readOnly: boolean;
  timeoutMs?: number;
  /** For the control plane, and in threads and commands that may take long: without a check and limits of the content. */
  isTrusted?: boolean;
  /** With `isTrusted`: SQLite refuses larger values. */
  maxValueBytes?: number;
}

const trusted = new WeakSet<DatabaseSync>();

/** Reading a log without its indexes takes time in proportion to its size. A start shortens it to less. */
const MAX_LOG_FILE_BYTES = 128 * 1024 * 1024;

/**
 * Opens a PocketBase database while PocketBase may use it too, which SQLite's WAL mode allows. Calls are synchronous, so
 * keep them to a few rows. By default they do not wait for a lock: a busy database throws SQLITE_BUSY, and the caller
 * retries later.
 *
 * SQLite treats an empty file as a new database and deletes the WAL beside it, also when it opens the file read-only. That
 * WAL may be the only copy of the data, so an empty file is refused.
 *
 * `work` of a read-only call runs in one transaction, after a check of the schema. Work that writes uses `inTransaction`.
 *
 * @throws the error of SQLite, or one with the code of SQLITE_NOTADB for an empty file; UnsafeDatabase
 */
export function withDatabase<T>(path: string, options: OpenOptions, work: (database: DatabaseSync) => T): T {
  const database = openDatabase(path, options);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** `withDatabase` for a caller that closes the database itself. */
export function openDatabase(path: string, options: OpenOptions): DatabaseSync {
  if (requireRegularFiles(path) === 0) {
    throw Object.assign(new Error(`${path} is empty: file is not a database`), { errcode: SQLITE_NOTADB });
  }
  const basics = { readOnly: options.readOnly, timeout: options.timeoutMs ?? 0 };
  if (options.isTrusted) {
    const { maxValueBytes } = options;
    const database = new DatabaseSync(path, {
      ...basics,
      ...(maxValueBytes === undefined ? {} : { limits: { length: maxValueBytes } }),
    });
    trusted.add(database);
    return database;
  }
  const database = new DatabaseSync(path, {
    ...basics,
    defensive: true,
    // PocketBase does not use them, and SQLite would search tables of any size.
    enableForeignKeyConstraints: false,
    limits: { length: MAX_VALUE_BYTES, sqlLength: MAX_STATEMENT_BYTES },
  });
  try {
    database.exec('PRAGMA trusted_schema = OFF');
    if (options.readOnly) {
      if (basename(path) === 'auxiliary.db') requireBoundedLog(path);
      database.exec('BEGIN');
      requireSafeSchema(database, { allowTriggers: true });
    }
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/**
 * Opening a pipe or a device would block, and a link may lead to the file of another database.
 *
 * @returns the size of the database; null when it is missing
 */
export function requireRegularFiles(path: string): number | null {
  const [size] = ['', '-wal', '-shm', '-journal'].map((suffix) => {
    const stats = lstatSync(`${path}${suffix}`, { throwIfNoEntry: false });
    if (stats && !stats.isFile()) throw new UnsafeDatabase(`${path}${suffix} is not a regular file`);
    return stats?.size ?? null;
  });
  return size ?? null;
}

function requireBoundedLog(path: string): void {
  const bytes = lstatSync(path).size + (lstatSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
  if (bytes > MAX_LOG_FILE_BYTES) {
    throw new UnsafeDatabase(
      `auxiliary.db has ${Math.round(bytes / 1024 / 1024)} MiB, which a restart shortens`,
    );
  }
}

/**
 * A stamp that changes when a process writes to a database: two calls of stat(2) cost less than opening it. It leaves out
 * what opening and closing a database changes. The ctime of the WAL: when root opens a database, also to read it, SQLite sets
 * the owner of the WAL. An empty WAL: SQLite creates it to read, and PocketBase removes it after 3 minutes without use.
 */
export function writeStamp(path: string): string {
  return [path, `${path}-wal`]
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats?.size ? `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}` : '';
    })
    .join(' ');
}

/** Whether the file is damaged or not a database. Callers then let PocketBase start, because it reports the problem. */
export function isUnreadable(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** Whether a write failed because the disk is full. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_FULL;
}

/** @throws the error, unless the file is damaged or not a database */
export function throwUnlessUnreadable(error: unknown): void {
  if (!isUnreadable(error)) throw error;
}

/** PocketBase stores times as `2024-01-15 10:00:00.000Z`; ISO 8601 has a `T` in place of the space. */
export function toPocketBaseDate(at: Date): string {
  return at.toISOString().replace('T', ' ');
}

/** @param stored a stored time; an unset one is the empty string and stays so */
export function toIsoTime(stored: string): string {
  return stored.replace(' ', 'T');
}

export function hasTable(database: DatabaseSync, name: string): boolean {
  return (
    database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined
  );
}

/**
 * Runs `work` in one write transaction, after a check of the schema.
 *
 * @param options.allowTriggers for work that removes triggers before it writes
 * @throws UnsafeDatabase
 */
export function inTransaction<T>(
  database: DatabaseSync,
  work: () => T,
  { allowTriggers = false }: { allowTriggers?: boolean } = {},
): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    if (!trusted.has(database)) requireSafeSchema(database, { allowTriggers });
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

/** The name of a table, column or trigger, as SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
