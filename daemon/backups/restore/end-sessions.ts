import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { randomSecret, replaceCollectionSecrets } from '../../databases/owner/collection-secrets.ts';
import { removeTriggers } from '../../databases/owner/ownership.ts';
import { hasTable, inTransaction, withDatabase } from '../../pocketbase/data/sqlite.ts';

/** Rows that let a client sign in without a password for a while. */
const SHORT_LIVED = ['_otps', '_mfas'];

/**
 * Invalidates every token of a restored database, of all collections and for every purpose: one that has ended since the
 * backup must not be valid again. Fathom's superuser gets its keys back by the next adjustment.
 */
export function endSessions(dataDir: string): void {
  withDatabase(join(dataDir, 'data.db'), { readOnly: false }, (database) =>
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
  replaceTokens(database);
}

function replaceTokens(database: DatabaseSync): void {
  replaceCollectionSecrets(database, randomSecret);
  for (const table of SHORT_LIVED) if (hasTable(database, table)) database.exec(`DELETE FROM ${table}`);
}
