import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { deriveKey } from '../../keys/derived-keys.ts';
import { BackupProblem } from '../backup-problem.ts';
import type { Target } from '../targets/target.ts';
import { recoveryKeyId, unwrapWithRecovery, wrapForRecovery } from './recovery-key.ts';

/** Where the secrets are stored on a target. */
const KEY = 'escrow/secrets.json';
const BELONGS_TO = 'escrow/secrets';

const escrowSchema = z.strictObject({
  format: z.literal(1),
  /** Id of the recovery key that opens it. */
  recovery_key: z.string(),
  /** A keyed hash, so that secrets which have not changed are not stored again. */
  digest: z.string(),
  /** The settings with secrets as JSON, sealed: see `recovery-key.ts`. */
  sealed: z.string(),
});

/** Values of settings by name, such as `AES_MASTER_KEY`, as they are written in an env file. */
export type Secrets = Readonly<Record<string, string>>;

/**
 * Stores the secrets of the host, sealed for the recovery key, if they or the key have changed.
 *
 * @param recovery the public half of the recovery key
 * @param masterKey the current AES_MASTER_KEY
 * @returns whether they were stored
 */
export async function storeEscrow(
  target: Target,
  secrets: Secrets,
  { recovery, masterKey }: { recovery: string; masterKey: Uint8Array },
): Promise<boolean> {
  const content = JSON.stringify(
    Object.fromEntries(Object.entries(secrets).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );
  const recovery_key = recoveryKeyId(recovery);
  const digest = createHmac('sha256', deriveKey(masterKey, 'backup-escrow', 32))
    .update(content)
    .digest('hex');
  const stored = await target.get(KEY);
  const before = stored && escrowSchema.safeParse(parseJson(stored)).data;
  if (before?.recovery_key === recovery_key && before.digest === digest) return false;
  const sealed = wrapForRecovery(recovery, Buffer.from(content), BELONGS_TO);
  const escrow: z.infer<typeof escrowSchema> = { format: 1, recovery_key, digest, sealed };
  await target.put(KEY, Buffer.from(JSON.stringify(escrow, null, 2)));
  return true;
}

/**
 * The secrets of the host that wrote the backups.
 *
 * @param recoveryKey the private half, as `fathomd backups recovery-key` printed it
 * @throws BackupProblem
 */
export async function readEscrow(target: Target, recoveryKey: string): Promise<Secrets> {
  const stored = await target.get(KEY);
  if (stored === null)
    throw new BackupProblem(
      `the target has no ${KEY}: the backups were made without a recovery key; restore the env file of the host`,
    );
  const escrow = escrowSchema.safeParse(parseJson(stored)).data;
  if (!escrow) throw new BackupProblem(`${KEY} is damaged; restore it from another copy of the target`);
  const content = unwrapWithRecovery(recoveryKey, escrow.sealed, BELONGS_TO);
  return z.record(z.string(), z.string()).parse(JSON.parse(content.toString()));
}

/** Undefined for a text that is no JSON. */
function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
