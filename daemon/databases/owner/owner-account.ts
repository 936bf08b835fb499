import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { OwnerAccount } from '../../../shared/hooks/control-plane-routes.ts';
import { inTransaction, toPocketBaseDate, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { randomSecret } from './collection-secrets.ts';
import { hasField } from './ownership.ts';
import { keepTokenEpoch, tokenEpoch } from './token-epoch.ts';

/** Not a bcrypt hash, so no password matches. */
const NO_PASSWORD = '!';

/**
 * A token key that has ended does not come back. PocketBase saves a record as it read it a moment before, every column of
 * it: whoever renamed themselves again and again with a stolen token had the old password and key written over the new ones.
 */
const KEEP_ENDED_TOKENS_OUT = `
  CREATE TABLE IF NOT EXISTS _fathom_ended_tokens (key TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS _fathom_token_ended AFTER UPDATE OF tokenKey ON users
    WHEN OLD.tokenKey <> NEW.tokenKey
    BEGIN INSERT OR IGNORE INTO _fathom_ended_tokens VALUES (OLD.tokenKey); END;
  CREATE TRIGGER IF NOT EXISTS _fathom_token_kept_out BEFORE UPDATE OF tokenKey ON users
    WHEN NEW.tokenKey IN (SELECT key FROM _fathom_ended_tokens)
    BEGIN SELECT RAISE(ABORT, 'the account has changed meanwhile'); END`;

/**
 * Writes the account into the owner's own database, see `writeAccount`.
 *
 * @param dataDir the instance's `pb_data`
 * @returns whether anything had to be changed; null when the database or the owner's record is not there
 * @throws the error of SQLite, for one that is busy
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

/** Whether the account has to be written; null when the owner's record is not there. Reads only. */
export function accountDiffers(database: DatabaseSync, account: OwnerAccount): boolean | null {
  const differs = difference(database, account);
  return differs && (differs.account || differs.epoch);
}

/**
 * Writes the account within a write transaction, beside a PocketBase that may be running on it. PocketBase reads the
 * record anew for each request, so what follows counts at once: a new token key makes every token there worthless, which
 * is what PocketBase itself does when a password or address changes. It does not look at who listens to its realtime.
 *
 * Tokens have ended when the account is in another epoch than the one that the database keeps. So those that ended while the
 * database was stopped, or away, end when this is called next, and those in a copy that was put back end again.
 *
 * @returns whether anything that PocketBase sees had to be changed; null when the owner's record is not there
 */
export function writeAccount(database: DatabaseSync, account: OwnerAccount, now: Date): boolean | null {
  // Looked at again: it may have changed before the write lock was ours.
  const differs = difference(database, account);
  if (differs === null) return null;
  if (differs.account) {
    database
      .prepare('UPDATE users SET email = ?, verified = ?, password = ? WHERE id = ?')
      .run(account.email, account.verified ? 1 : 0, passwordOf(account), account.id);
    // An application may have removed it.
    if (hasField(database, 'updated')) {
      database.prepare('UPDATE users SET updated = ? WHERE id = ?').run(toPocketBaseDate(now), account.id);
    }
  }
  if (differs.credentials) {
    database.exec(KEEP_ENDED_TOKENS_OUT);
    database.prepare('UPDATE users SET tokenKey = ? WHERE id = ?').run(randomSecret(), account.id);
  }
  keepTokenEpoch(database, account.id, account.token_epoch);
  return differs.account;
}

interface Difference {
  /** Something that PocketBase sees: the address, the password, verification, or tokens that have ended. */
  account: boolean;
  /** Something with which one signs in, or tokens have ended. */
  credentials: boolean;
  epoch: boolean;
}

function difference(database: DatabaseSync, account: OwnerAccount): Difference | null {
  const row = database.prepare('SELECT email, verified, password FROM users WHERE id = ?').get(account.id);
  if (!row) return null;
  const kept = tokenEpoch(database, account.id);
  const epoch = kept !== account.token_epoch;
  const credentials =
    row['email'] !== account.email ||
    row['password'] !== passwordOf(account) ||
    // A database of a Fathom that kept no epoch is taken as it is: nobody is signed out by an upgrade.
    (epoch && kept !== null);
  return { account: credentials || Boolean(row['verified']) !== account.verified, credentials, epoch };
}

/** Nobody signs in to the database of an account that is not active. */
function passwordOf({ is_active, password_hash }: OwnerAccount): string {
  return is_active ? password_hash : NO_PASSWORD;
}
