import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** SQLite's codes for a damaged file, and for a file that is not a database. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens a PocketBase database while PocketBase may use it too, which SQLite's WAL mode allows. Calls are synchronous, so
 * keep them to a few rows. By default they do not wait for a lock: a busy database throws SQLITE_BUSY, and the caller
 * retries later.
 *
 * SQLite treats an empty file as a new database and deletes the WAL beside it, also when it opens the file read-only. That
 * WAL may be the only copy of the data, so an empty file is refused.
 *
 * @throws the error of SQLite, or one with the code of SQLITE_NOTADB for an empty file
 */
export function withDatabase<T>(
  path: string,
  options: { readOnly: boolean; timeoutMs?: number },
  work: (database: DatabaseSync) => T,
): T {
  const database = openDatabase(path, options);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** `withDatabase` for a caller that closes the database itself. */
export function openDatabase(path: string, options: { readOnly: boolean; timeoutMs?: number }): DatabaseSync {
  if (statSync(path, { throwIfNoEntry: false })?.size === 0) {
    throw Object.assign(new Error(`${path} is empty: file is not a database`), { errcode: SQLITE_NOTADB });
  }
  return new DatabaseSync(path, { readOnly: options.readOnly, timeout: options.timeoutMs ?? 0 });
}

/**
 * A stamp that changes when a process writes to a database: two calls of stat(2) cost less than opening it. It leaves out the ctime of the WAL: when root opens a database,
 * also to read it, SQLite sets the owner of the WAL and thereby changes the ctime.
 */
export function writeStamp(path: string): string {
  return [path, `${path}-wal`]
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats ? `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}` : '';
    })
    .join(' ');
}

/** Whether the file is damaged or not a database. Callers then let PocketBase start, because it reports the problem. */
export function isUnreadable(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
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

/** Runs `work` in one write transaction. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}
