import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../base/time/clock.ts';
import { signPocketBaseToken } from '../../keys/instance-access.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';

/** The limit of a token from a sign-in that cannot be renewed. */
export interface TokenLimit {
  expiresAt: Date;
}

/** What signs tokens of the owner at the own instance. */
export interface OwnerKeys {
  tokenKey: string;
  collectionId: string;
  secret: string;
  durationS: number;
}

/** Null when the owner's record is missing. */
export function readOwnerKeys(database: DatabaseSync, ownerId: string): OwnerKeys | null {
  const row = database
    .prepare(
      `SELECT users.tokenKey AS token_key, _collections.id AS collection_id,
         json_extract(_collections.options, '$.authToken.secret') AS secret,
         json_extract(_collections.options, '$.authToken.duration') AS duration_s
       FROM users JOIN _collections ON _collections.name = 'users' WHERE users.id = ?`,
    )
    .get(ownerId);
  return row
    ? {
        tokenKey: String(row['token_key']),
        collectionId: String(row['collection_id']),
        secret: String(row['secret']),
        durationS: Number(row['duration_s']),
      }
    : null;
}

/**
 * Signs a token for the owner at the own instance, as after a sign-in with a password. It is signed with the keys of the
 * instance, so PocketBase renews and ends it like any other.
 *
 * @param dataDir the instance's `pb_data`
 * @param limit null for a renewable token of the usual lifetime
 * @returns null when the owner's record is missing
 */
export async function signOwnerToken(
  dataDir: string,
  ownerId: string,
  options: { clock: Clock; limit: TokenLimit | null },
): Promise<string | null> {
  const file = join(dataDir, 'data.db');
  const keys = withDatabase(file, { readOnly: true }, (database) => readOwnerKeys(database, ownerId));
  return keys && signWithKeys(keys, ownerId, options);
}

/** As `signOwnerToken`, without reading the database. */
export function signWithKeys(
  { tokenKey, collectionId, secret, durationS }: OwnerKeys,
  ownerId: string,
  { clock, limit }: { clock: Clock; limit: TokenLimit | null },
): Promise<string> {
  const lastsUntilMs = clock.now().getTime() + durationS * 1000;
  const expiresAt = new Date(Math.min(lastsUntilMs, limit?.expiresAt.getTime() ?? lastsUntilMs));
  return signPocketBaseToken(
    `${tokenKey}${secret}`,
    { id: ownerId, collectionId, refreshable: limit === null },
    expiresAt,
  );
}
