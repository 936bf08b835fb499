import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type MasterKeys, prefixOf, seal, unseal } from '../../keys/envelope.ts';
import { BackupProblem } from '../backup-problem.ts';
import type { Target } from '../targets/target.ts';
import { DATA_KEY_BYTES, DataKey } from './data-key.ts';
import { recoveryKeyId, unwrapWithRecovery, wrapForRecovery } from './recovery-key.ts';

/** `keys/DATABASE.json`: the data key of a database, encrypted for the host and for the recovery key. */
const storedKeySchema = z.strictObject({
  format: z.literal(1),
  database: z.string(),
  /** An envelope of the master key, see `daemon/keys/envelope.ts`. */
  master: z.string(),
  /** Null without a recovery key. */
  recovery: z.string().nullable(),
});

export type WithKeys = { masters: MasterKeys } | { recoveryKey: string };

/**
 * The data key of a database for a backup. Creates it before the first one, and wraps it again after a change of the master
 * key or of the recovery key. Call it for one backup of a database at a time.
 *
 * @param recovery the public half of the recovery key; null without one
 * @throws FathomError `secret.undecryptable`; BackupProblem
 */
export async function ensureDataKey(
  target: Target,
  database: string,
  { masters, recovery }: { masters: MasterKeys; recovery: string | null },
): Promise<DataKey> {
  const stored = await readStoredKey(target, database);
  const secret =
    stored === null ? randomBytes(DATA_KEY_BYTES) : unseal(masters, stored.master, ownerOf(database));
  const isCurrent =
    stored?.master.startsWith(prefixOf(masters[0])) === true &&
    (stored.recovery?.split('.')[1] ?? null) === (recovery === null ? null : recoveryKeyId(recovery));
  if (!isCurrent) {
    const next: z.infer<typeof storedKeySchema> = {
      format: 1,
      database,
      master: seal(masters[0], secret, ownerOf(database)),
      recovery: recovery === null ? null : wrapForRecovery(recovery, secret, ownerOf(database)),
    };
    await target.put(keyOf(database), Buffer.from(JSON.stringify(next, null, 2)));
  }
  return new DataKey(secret);
}

/** The data key of a database for a restore. @throws FathomError `secret.undecryptable`; BackupProblem */
export async function readDataKey(target: Target, database: string, keys: WithKeys): Promise<DataKey> {
  const stored = await readStoredKey(target, database);
  if (stored === null)
    throw new BackupProblem(
      `there is no key for the backups of ${database}: it has no backup here, or its backups were erased`,
    );
  if ('masters' in keys) return new DataKey(unseal(keys.masters, stored.master, ownerOf(database)));
  if (stored.recovery === null)
    throw new BackupProblem(
      `the backups of ${database} were made without a recovery key; restore the AES_MASTER_KEY of the host`,
    );
  return new DataKey(unwrapWithRecovery(keys.recoveryKey, stored.recovery, ownerOf(database)));
}

async function readStoredKey(target: Target, database: string) {
  const content = await target.get(keyOf(database));
  if (content === null) return null;
  try {
    return storedKeySchema.parse(JSON.parse(content.toString()));
  } catch (error) {
    throw new BackupProblem(`${keyOf(database)} is damaged; restore it from another copy of the target`, {
      cause: error,
    });
  }
}

/** Where the key of a database is stored. Without it, its backups are erased. */
export function keyOf(database: string): string {
  return `keys/${database}.json`;
}

function ownerOf(database: string): string {
  return `backups/${database}`;
}
