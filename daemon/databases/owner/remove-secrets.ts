import type { DatabaseSync } from 'node:sqlite';
import { hasTable, inTransaction, quoteName, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { replaceTokens } from './end-sessions.ts';
import { NO_PASSWORD } from './ownership.ts';

/** Tables whose rows give access, or belong to Fathom. PocketBase creates the settings again. */
const EMPTIED = ['_superusers', '_params', '_fathom_ended_tokens'];

/**
 * Removes what must not leave the host with a copy of a database: superusers, settings, signing secrets, secrets of sign-in
 * providers, and all password hashes. With them, the owner could sign tokens of a superuser of the running database. The removed
 * bytes stay in free pages until the file is copied by VACUUM. Call it in a process for SQL.
 *
 * @param file its `data.db`
 * @throws UnsafeDatabase, the error of SQLite
 */
export function removeSecrets(file: string): void {
  withDatabase(file, { readOnly: false }, (database) =>
    inTransaction(database, () => removeAll(database), { allowTriggers: true }),
  );
}

function removeAll(database: DatabaseSync): void {
  // They could store what is removed.
  const triggers = database.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all();
  for (const { name } of triggers) database.exec(`DROP TRIGGER ${quoteName(String(name))}`);
  replaceTokens(database);
  for (const table of EMPTIED) if (hasTable(database, table)) database.exec(`DELETE FROM ${table}`);
  const collections = database
    .prepare("SELECT id, name, options FROM _collections WHERE type = 'auth'")
    .all();
  const update = database.prepare('UPDATE _collections SET options = ? WHERE id = ?');
  for (const { id, name, options } of collections) {
    update.run(JSON.stringify(withoutProviderSecrets(JSON.parse(String(options)))), String(id));
    if (!hasTable(database, String(name))) continue;
    database
      .prepare(`UPDATE ${quoteName(String(name))} SET password = ?, tokenKey = lower(hex(randomblob(25)))`)
      .run(NO_PASSWORD);
  }
}

function withoutProviderSecrets(options: unknown): unknown {
  const { oauth2 } = options as { oauth2?: { providers?: unknown } };
  if (!Array.isArray(oauth2?.providers)) return options;
  const providers = oauth2.providers.map((provider: object) => ({ ...provider, clientSecret: '' }));
  return { ...(options as object), oauth2: { ...oauth2, providers } };
}
