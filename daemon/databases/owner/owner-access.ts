import { join } from 'node:path';
import type { Clock } from '../../base/time/clock.ts';
import { signPocketBaseToken } from '../../keys/instance-access.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';

/** Of a sign-in that ends by itself and is not renewed. */
export interface TokenLimit {
  expiresAt: Date;
}

/**
 * A token with which the owner is signed in at the own instance, as if by password. It is signed with the instance's own
 * keys, so PocketBase renews it and forgets it like any other.
 *
 * @param dataDir the instance's `pb_data`
 * @param limit null for a token of the usual lifetime, which PocketBase renews
 * @returns null when the owner's record is not there
 */
export async function ownerToken(
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
