import { join } from 'node:path';
import type { Clock } from '../../base/time/clock.ts';
import { signPocketBaseToken, type TokenSource } from '../../keys/instance-access.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';

const LIFETIME_MS = 3_600_000;

/** Signs tokens of a superuser of a copy of the control plane. @throws an Error without a superuser */
export function superuserOfCopy(dataDir: string, clock: Clock): TokenSource {
  const row = withDatabase(join(dataDir, 'data.db'), { readOnly: true, isTrusted: true }, (database) =>
    database
      .prepare(
        `SELECT superusers.id, superusers.tokenKey AS token_key, _collections.id AS collection_id,
           json_extract(_collections.options, '$.authToken.secret') AS secret
         FROM _superusers AS superusers JOIN _collections ON _collections.name = '_superusers' LIMIT 1`,
      )
      .get(),
  );
  if (!row) throw new Error('the control plane of the backup has no superuser');
  const claims = { id: String(row['id']), collectionId: String(row['collection_id']), refreshable: false };
  const key = String(row['token_key']) + String(row['secret']);
  return () => signPocketBaseToken(key, claims, new Date(clock.now().getTime() + LIFETIME_MS));
}
