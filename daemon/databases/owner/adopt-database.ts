import type { DatabaseSync } from 'node:sqlite';
import { isRecordId } from '../../../shared/record-id.ts';
import { MAX_SQL_VALUE_BYTES } from '../../pocketbase/data/sql-processes.ts';
import { hasTable, inTransaction, quoteName, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { removeSecrets } from './remove-secrets.ts';

/** Tables of Fathom that say what the database is. Others say who has access, and are created again. */
const KEPT = ['_fathom_migrations', '_fathom_pocketbase'];
/** Rows that belong to an account, with its id in `recordRef`. */
const OF_ACCOUNTS = ['_externalAuths', '_authOrigins'];
const COLLECTION_ID = /^[A-Za-z0-9_]{1,100}$/;

/** The account whose record the owner has got. */
export interface Adopted {
  former: string;
  /** The id of the collection `users`. */
  usersId: string;
}

/**
 * Gives a database of any origin to an owner. All secrets, superusers and triggers are removed, also when they were put into
 * an archive that has none. The one record in `users` gets the id of the owner, and so do relations to it. Address and password
 * follow with the next adjustment. Call it in a process for SQL.
 *
 * @param file its `data.db`
 * @throws UnsafeDatabase, an Error that says what it lacks, the error of SQLite
 */
export function adoptDatabase(file: string, ownerId: string): Adopted {
  removeSecrets(file);
  // Rows can be large, as in any database of a user. No trigger is left.
  const options = { readOnly: false, isTrusted: true, maxValueBytes: MAX_SQL_VALUE_BYTES };
  return withDatabase(file, options, (database) =>
    inTransaction(database, () => {
      removeTablesOfAccess(database);
      return replaceOwner(database, ownerId);
    }),
  );
}

function removeTablesOfAccess(database: DatabaseSync): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  for (const { name } of tables) {
    const table = String(name).toLowerCase();
    if (table.startsWith('_fathom_') && !KEPT.includes(table))
      database.exec(`DROP TABLE ${quoteName(String(name))}`);
  }
}

function replaceOwner(database: DatabaseSync, ownerId: string): Adopted {
  const collection = database
    .prepare("SELECT id FROM _collections WHERE name = 'users' AND type = 'auth'")
    .get();
  const usersId = String(collection?.['id'] ?? '');
  if (!COLLECTION_ID.test(usersId)) throw new Error('it has no collection users');
  const accounts = database.prepare('SELECT id FROM users LIMIT 2').all();
  const former = String(accounts[0]?.['id'] ?? '');
  if (accounts.length !== 1 || !isRecordId(former))
    throw new Error('its collection users does not have exactly one account');
  for (const table of OF_ACCOUNTS)
    if (hasTable(database, table))
      database.prepare(`DELETE FROM ${table} WHERE collectionRef = ?`).run(usersId);
  if (former === ownerId) return { former, usersId };
  database.prepare('UPDATE users SET id = ? WHERE id = ?').run(ownerId, former);
  replaceRelations(database, usersId, { former, ownerId });
  return { former, usersId };
}

interface Field {
  name?: unknown;
  type?: unknown;
  collectionId?: unknown;
}

/** A relation is the id of a record, or a JSON array of ids. */
function replaceRelations(
  database: DatabaseSync,
  usersId: string,
  { former, ownerId }: { former: string; ownerId: string },
): void {
  const collections = database.prepare("SELECT name, fields FROM _collections WHERE type <> 'view'").all();
  for (const { name, fields } of collections) {
    if (!hasTable(database, String(name))) continue;
    const relations = (JSON.parse(String(fields)) as Field[]).filter(
      ({ type, collectionId }) => type === 'relation' && collectionId === usersId,
    );
    for (const field of relations) {
      const column = quoteName(String(field.name));
      database
        .prepare(
          `UPDATE ${quoteName(String(name))} SET ${column} = replace(${column}, ?, ?) WHERE ${column} = ? OR instr(${column}, ?)`,
        )
        .run(former, ownerId, former, `"${former}"`);
    }
  }
}
