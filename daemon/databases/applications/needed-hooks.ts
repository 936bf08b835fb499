import type { DatabaseSync } from 'node:sqlite';
import { type Adjustment, adjustDatabase } from '../../pocketbase/data/adjustment.ts';
import { hasTable, throwUnlessUnreadable } from '../../pocketbase/data/sqlite.ts';

/*
 * The applications whose hooks a database has, in the database itself. So a restore on an empty host knows them, where
 * `applications.json` is gone and FATHOM_APP_DIR may be empty.
 */

const TABLE = '_fathom_hooks';

/** Null for a database that no release with this table has started. */
export function readNeededHooks(database: DatabaseSync): string[] | null {
  if (!hasTable(database, TABLE)) return null;
  const rows = database.prepare(`SELECT application FROM ${TABLE} ORDER BY application`).all();
  return rows.map(({ application }) => String(application));
}

/** @throws the error of SQLite, except for a damaged file, which the start reports */
export function noteNeededHooks(file: string, names: readonly string[]): void {
  const note: Adjustment = {
    isNeeded: (database) => readNeededHooks(database)?.join() !== names.toSorted().join(),
    apply: (database) => {
      database.exec(`CREATE TABLE IF NOT EXISTS ${TABLE} (application TEXT PRIMARY KEY) WITHOUT ROWID`);
      database.exec(`DELETE FROM ${TABLE}`);
      const insert = database.prepare(`INSERT INTO ${TABLE} VALUES (?)`);
      for (const name of names) insert.run(name);
    },
    onFailure: throwUnlessUnreadable,
  };
  adjustDatabase(file, [note]);
}
