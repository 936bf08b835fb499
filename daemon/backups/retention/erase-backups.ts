import { keyOf } from '../keys/stored-keys.ts';
import { chunkPrefix, manifestPrefix } from '../manifest.ts';
import type { Target } from '../targets/target.ts';
import { noteErased } from './erased-databases.ts';

/**
 * Makes all backups of a database unreadable for good: deletes its key, then what the key opened. After the second step, no
 * copy of the rest can be read, also with the recovery key. Repeat it after a failure.
 *
 *   note that it was erased ──▶ key, with all of its versions ──▶ lists of parts ──▶ parts
 *
 * @param options.account the account was erased as well
 */
export async function eraseBackups(
  target: Target,
  database: string,
  options: { account: boolean; at: Date },
): Promise<void> {
  await noteErased(target, database, options);
  await target.erase(keyOf(database));
  for (const prefix of [manifestPrefix(database), chunkPrefix(database)]) await target.eraseAll(prefix);
}
