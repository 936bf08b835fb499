import { DatabaseSync } from 'node:sqlite';

/**
 * Opens a PocketBase database file beside PocketBase itself, which SQLite's WAL mode allows. Calls are synchronous, so
 * they are kept to a few rows and, unless told otherwise, never wait for a lock: a busy database throws SQLITE_BUSY, for the
 * caller to come back.
 */
export function withDatabase<T>(
  path: string,
  options: { readOnly: boolean; timeoutMs?: number },
  work: (database: DatabaseSync) => T,
): T {
  const database = new DatabaseSync(path, { readOnly: options.readOnly, timeout: options.timeoutMs ?? 0 });
  try {
    return work(database);
  } finally {
    database.close();
  }
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

/** PocketBase's text form of a moment: `2024-01-15 10:00:00.000Z`. */
export function pocketBaseDate(at: Date): string {
  return at.toISOString().replace('T', ' ');
}
