import { join } from 'node:path';
import type { Clock } from '../../base/time/clock.ts';
import { signPocketBaseToken } from '../../keys/instance-access.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';

/** The limit of a token from a sign-in that cannot be renewed. */
export interface TokenLimit {
  expiresAt: Date;
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
  { clock, limit }: { clock: Clock; limit: TokenLimit | null },
): Promise<string | null> {
  const row = withDatabase(join(dataDir, 'data.db'), { readOnly: true }, (database) =>
    database
      .prepare(
        `SELECT users.tokenKey AS token_key, _collections.id AS collection_id,
           json_extract(_collections.options, '$.authToken.secret') AS secret,
           json_extract(_collections.options, '$.authToken.duration') AS duration_s
         FROM users JOIN _collections ON _collections.name = 'users' WHERE users.id = ?`,
      )
      .get(ownerId),
  );
  if (!row) return null;
  const lastsUntilMs = clock.now().getTime() + Number(row['duration_s']) * 1000;
  const expiresAt = new Date(Math.min(lastsUntilMs, limit?.expiresAt.getTime() ?? lastsUntilMs));
  return signPocketBaseToken(
    `${String(row['token_key'])}${String(row['secret'])}`,
    { id: ownerId, collectionId: String(row['collection_id']), refreshable: limit === null },
    expiresAt,
  );
}
