import { keyOf } from '../keys/stored-keys.ts';
import { chunkPrefix, manifestPrefix } from '../manifest.ts';
import type { Target } from '../targets/target.ts';
import { lockOf, TargetFailure } from '../targets/target-failure.ts';
import { noteErased } from './erased-databases.ts';

/**
 * Makes all backups of a database unreadable for good: deletes its key, then what the key opened. After the second step, no
 * copy of the rest can be read, also with the recovery key. Repeat it after a failure.
 *
 *   note that it was erased ──▶ key, with all of its versions ──▶ lists of parts ──▶ parts
 *
 * A key that object lock keeps is hidden like the rest. Then only a person with the master key or the recovery key, and with access
 * to former versions, can read the backups until the lock ends.
 *
 * @param options.account the account was erased as well
 * @throws TargetFailure
 */
export async function eraseBackups(
  target: Target,
  database: string,
  options: { account: boolean; at: Date },
): Promise<void> {
  await noteErased(target, database, options);
  let lock: TargetFailure | null = null;
  try {
    await target.erase(keyOf(database));
  } catch (error) {
    if (!(error instanceof TargetFailure) || lockOf(error) === null) throw error;
    lock = error;
  }
  for (const prefix of [manifestPrefix(database), chunkPrefix(database)]) await target.eraseAll(prefix);
  if (lock !== null) throw lock;
}
