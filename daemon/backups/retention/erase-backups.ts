import { keyOf } from '../keys/stored-keys.ts';
import { chunkPrefix, manifestPrefix } from '../manifest.ts';
import type { Target } from '../targets/target.ts';

/**
 * Makes all backups of a database unreadable for good: deletes its key, then what the key opened. After the first step, no
 * copy of the rest can be read, also with the recovery key. Repeat it after a failure.
 */
export async function eraseBackups(target: Target, database: string): Promise<void> {
  await target.erase(keyOf(database));
  for (const prefix of [manifestPrefix(database), chunkPrefix(database)]) {
    for await (const { key } of target.list(prefix)) await target.delete(key);
  }
}
