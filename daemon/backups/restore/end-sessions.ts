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

function replaceSecrets(database: DatabaseSync): void {
  // They could store what is written here, or undo it.
  removeTriggers(database);
  replaceCollectionSecrets(database, randomSecret);
  for (const table of SHORT_LIVED) if (hasTable(database, table)) database.exec(`DELETE FROM ${table}`);
}
