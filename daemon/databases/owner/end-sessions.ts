import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { tableOfTrigger } from '../../pocketbase/data/schema-check.ts';
import { hasTable, inTransaction, quoteName, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { randomSecret, replaceCollectionSecrets } from './collection-secrets.ts';
import { removeTriggers } from './ownership.ts';

/** Rows that let a client sign in without a password for a while. */
const SHORT_LIVED = ['_otps', '_mfas'];
const WRITTEN: ReadonlySet<string | undefined> = new Set(['_collections', ...SHORT_LIVED]);

/**
 * Invalidates every token of a restored database, of all collections and for every purpose: one that has ended since the
 * backup must not be valid again. Fathom's superuser gets its keys back by the next adjustment. A daemon calls it in a process for SQL.
 *
 * @param file its `data.db`
 * @throws UnsafeDatabase
 */
export function endSessions(file: string): void {
  withDatabase(file, { readOnly: false }, (database) =>
    inTransaction(database, () => replaceSecrets(database), { allowTriggers: true }),
  );
}

/**
 * Ends all sessions of a restored control plane, and all tokens of its PocketBase. API keys stay: programs of administrators
 * use them.
 */
export function endControlPlaneSessions(dataDir: string): void {
  withDatabase(join(dataDir, 'data.db'), { readOnly: false, isTrusted: true }, (database) =>
    inTransaction(database, () => {
      replaceTokens(database);
      database.exec('DELETE FROM sessions');
    }),
  );
}

function replaceSecrets(database: DatabaseSync): void {
  // They could store what is written here, or undo it.
  removeTriggers(database);
  removeTriggersOfWritten(database);
  replaceTokens(database);
}

/** They would run here, as long as the owner of the database likes. */
function removeTriggersOfWritten(database: DatabaseSync): void {
  const triggers = database.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all();
  for (const { name, sql } of triggers)
    if (WRITTEN.has(tableOfTrigger(String(sql))?.toLowerCase()))
      database.exec(`DROP TRIGGER ${quoteName(String(name))}`);
}

/** Makes every token of a database invalid. Call it in a transaction, without triggers on what it writes. */
export function replaceTokens(database: DatabaseSync): void {
  replaceCollectionSecrets(database, randomSecret);
  for (const table of SHORT_LIVED) if (hasTable(database, table)) database.exec(`DELETE FROM ${table}`);
}
