import type { DatabaseSync } from 'node:sqlite';

const TABLE = '_fathom_owner';

/** The epoch of the account up to which tokens of this database have ended; null before one was kept. */
export function tokenEpoch(database: DatabaseSync, ownerId: string): string | null {
  const isThere = database
    .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")
    .get(TABLE);
  if (!isThere) return null;
  const row = database.prepare(`SELECT token_epoch FROM ${TABLE} WHERE id = ?`).get(ownerId);
  return row ? String(row['token_epoch']) : null;
}

export function keepTokenEpoch(database: DatabaseSync, ownerId: string, epoch: string): void {
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${TABLE} (id TEXT PRIMARY KEY, token_epoch TEXT NOT NULL) WITHOUT ROWID`,
  );
  database.prepare(`INSERT OR REPLACE INTO ${TABLE} VALUES (?, ?)`).run(ownerId, epoch);
}
