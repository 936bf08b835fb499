import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** SQLite's own codes for a file that is damaged, and for one that is no database. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens a PocketBase database file beside PocketBase itself, which SQLite's WAL mode allows. Calls are synchronous, so
 * they are kept to a few rows and, unless told otherwise, never wait for a lock: a busy database throws SQLITE_BUSY, for the
 * caller to come back.
 *
 * SQLite takes an empty file for a new database and deletes the WAL beside it, even of a database opened read-only. That WAL
 * may hold the only copy of the data, so an empty file is refused.
 *
 * @throws the error of SQLite, or one with its code for a file that is empty
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

/** As `withDatabase`, for the caller to close. */
export function openDatabase(path: string, options: { readOnly: boolean; timeoutMs?: number }): DatabaseSync {
  if (statSync(path, { throwIfNoEntry: false })?.size === 0) {
    throw Object.assign(new Error(`${path} is empty: file is not a database`), { errcode: SQLITE_NOTADB });
  }
  return new DatabaseSync(path, { readOnly: options.readOnly, timeout: options.timeoutMs ?? 0 });
}

/** Damaged, or no database at all: PocketBase says what is wrong with its file, and that is what is shown. */
export function isUnreadable(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
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
