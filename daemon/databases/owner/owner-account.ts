import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { OwnerAccount } from '../../../shared/hooks/control-plane-routes.ts';
import { createTriggers } from '../../pocketbase/data/schema-check.ts';
import { hasTable, inTransaction, toPocketBaseDate, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { ownerSuperuserId } from '../developer/owner-superuser.ts';
import { randomSecret } from './collection-secrets.ts';
import { hasField, NO_PASSWORD } from './ownership.ts';

/**
 * Prevents an ended token key from being restored. PocketBase saves all columns of a record as it read them before. So a
 * client with a stolen token that renames the account repeatedly could overwrite the new password and key with the old ones.
 */
const KEEP_ENDED_TOKENS_OUT = `
  CREATE TABLE IF NOT EXISTS _fathom_ended_tokens (key TEXT PRIMARY KEY) WITHOUT ROWID;
  ${createTriggers()}`;

/**
 * Writes the account into the owner's own database, see `writeAccount`.
 *
 * @param dataDir the instance's `pb_data`
 * @returns whether the account was changed; null when the database or the owner's record is missing
 * @throws the error of SQLite, for example when the database is busy
 */
export function writeOwnerAccount(dataDir: string, account: OwnerAccount, now: Date): boolean | null {
  const file = join(dataDir, 'data.db');
  if (!existsSync(file)) return null;
  const differs = withDatabase(file, { readOnly: true }, (database) => accountDiffers(database, account));
  if (differs !== true) return differs;
  return withDatabase(file, { readOnly: false }, (database) =>
    inTransaction(database, () => writeAccount(database, account, now)),
  );
}

/** Whether the account differs; null when the owner's record is missing. Reads only. */
export function accountDiffers(database: DatabaseSync, account: OwnerAccount): boolean | null {
  const differs = compareAccount(database, account);
  return differs && (differs.account || differs.epoch);
}

/**
 * Writes the account in a write transaction, while PocketBase may run on the database. PocketBase reads the record for each
 * request, so the change applies immediately. A new token key invalidates every token, as in PocketBase itself when a
 * password or address changes. Existing realtime connections are not affected.
 *
 * The database stores the token epoch of the account. If it differs, tokens have ended. So tokens that ended while the
 * database was stopped end with the next call, and tokens in a restored copy end again.
 *
 * @returns whether anything that PocketBase sees was changed; null when the owner's record is missing
 */
export function writeAccount(database: DatabaseSync, account: OwnerAccount, now: Date): boolean | null {
  // Compared again: the account may have changed before the write lock was acquired.
  const differs = compareAccount(database, account);
  if (differs === null) return null;
  if (differs.account) {
    database
      .prepare('UPDATE users SET email = ?, verified = ?, password = ? WHERE id = ?')
      .run(account.email, account.verified ? 1 : 0, passwordOf(account), account.id);
    database
      .prepare('UPDATE _superusers SET email = ?, password = ? WHERE id = ?')
      .run(account.email, passwordOf(account), ownerSuperuserId(account.id));
    // An application may have removed this field.
    if (hasField(database, 'updated')) {
      database.prepare('UPDATE users SET updated = ? WHERE id = ?').run(toPocketBaseDate(now), account.id);
    }
  }
  if (differs.credentials) {
    database.exec(KEEP_ENDED_TOKENS_OUT);
    database.prepare('UPDATE users SET tokenKey = ? WHERE id = ?').run(randomSecret(), account.id);
    database
      .prepare('UPDATE _superusers SET tokenKey = ? WHERE id = ?')
      .run(randomSecret(), ownerSuperuserId(account.id));
  }
  storeTokenEpoch(database, account.id, account.token_epoch);
  return differs.account;
}

interface Difference {
  /** Something that PocketBase sees: address, password, verification, or ended tokens. */
  account: boolean;
  /** Address, password, or ended tokens. */
  credentials: boolean;
  epoch: boolean;
}

function compareAccount(database: DatabaseSync, account: OwnerAccount): Difference | null {
  const row = database.prepare('SELECT email, verified, password FROM users WHERE id = ?').get(account.id);
  if (!row) return null;
  // Only in a developer's database.
  const superuser = database
    .prepare('SELECT email, password FROM _superusers WHERE id = ?')
    .get(ownerSuperuserId(account.id));
  const stored = readTokenEpoch(database, account.id);
  const epoch = stored !== account.token_epoch;
  const credentials =
    row['email'] !== account.email ||
    row['password'] !== passwordOf(account) ||
    (superuser !== undefined &&
      (superuser['email'] !== account.email || superuser['password'] !== passwordOf(account))) ||
    // A database of an earlier release has no epoch. Its tokens stay valid, so that an upgrade signs no user out.
    (epoch && stored !== null);
  return { account: credentials || Boolean(row['verified']) !== account.verified, credentials, epoch };
}

/** An inactive account gets no valid password, so that its owner cannot sign in to the database. */
function passwordOf({ is_active, password_hash }: OwnerAccount): string {
  return is_active ? password_hash : NO_PASSWORD;
}

const EPOCH_TABLE = '_fathom_owner';

/** Returns the stored token epoch of the account; null when there is none. */
function readTokenEpoch(database: DatabaseSync, ownerId: string): string | null {
  if (!hasTable(database, EPOCH_TABLE)) return null;
  const row = database.prepare(`SELECT token_epoch FROM ${EPOCH_TABLE} WHERE id = ?`).get(ownerId);
  return row ? String(row['token_epoch']) : null;
}

export function storeTokenEpoch(database: DatabaseSync, ownerId: string, epoch: string): void {
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${EPOCH_TABLE} (id TEXT PRIMARY KEY, token_epoch TEXT NOT NULL) WITHOUT ROWID`,
  );
  database.prepare(`INSERT OR REPLACE INTO ${EPOCH_TABLE} VALUES (?, ?)`).run(ownerId, epoch);
}
