import { createHmac, hash } from 'node:crypto';
import { z } from 'zod';
import { deriveKey } from '../../keys/derived-keys.ts';
import { BackupProblem } from '../backup-problem.ts';
import type { Target } from '../targets/target.ts';
import { recoveryKeyId, unwrapWithRecovery, wrapForRecovery, wrappedForKey } from './recovery-key.ts';

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
 * @returns the SHA-256 of what was stored; null when nothing had changed
 */
export async function storeEscrow(
  target: Target,
  secrets: Secrets,
  { recovery, masterKey }: { recovery: string; masterKey: Uint8Array },
): Promise<string | null> {
  const content = contentOf(secrets);
  const recovery_key = recoveryKeyId(recovery);
  const digest = digestOf(content, masterKey);
  const stored = await target.get(KEY);
  const before = stored && escrowSchema.safeParse(parseJson(stored)).data;
  if (before?.recovery_key === recovery_key && before.digest === digest) return null;
  const sealed = wrapForRecovery(recovery, Buffer.from(content), BELONGS_TO);
  const escrow: z.infer<typeof escrowSchema> = { format: 1, recovery_key, digest, sealed };
  const bytes = Buffer.from(JSON.stringify(escrow, null, 2));
  await target.put(KEY, bytes);
  return hash('sha256', bytes);
}

function contentOf(secrets: Secrets): string {
  return JSON.stringify(Object.fromEntries(Object.entries(secrets).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

function digestOf(content: string, masterKey: Uint8Array): string {
  return createHmac('sha256', deriveKey(masterKey, 'backup-escrow', 32))
    .update(content)
    .digest('hex');
}

export interface EscrowCheck {
  /** 0 when it is missing. */
  bytes: number;
  /** Null when it is missing. */
  sha256: string | null;
  /** What only the recovery key opens; null when it is missing or damaged. */
  sealed: string | null;
  problem: string | null;
}

/**
 * Checks the escrow as far as it can be checked without the recovery key: it is there, was not changed since it was stored, is
 * for the current recovery key, and has the secrets of today.
 *
 * @param options.expectedSha256 of what was stored last; null if that is not known
 */
export async function checkEscrow(
  target: Target,
  secrets: Secrets,
  {
    recovery,
    masterKey,
    expectedSha256,
  }: { recovery: string; masterKey: Uint8Array; expectedSha256: string | null },
): Promise<EscrowCheck> {
  const stored = await target.get(KEY);
  if (stored === null) return { bytes: 0, sha256: null, sealed: null, problem: `${KEY} is missing` };
  const found = { bytes: stored.length, sha256: hash('sha256', stored) };
  const escrow = escrowSchema.safeParse(parseJson(stored)).data;
  if (!escrow) return { ...found, sealed: null, problem: `${KEY} is damaged` };
  const isSame = expectedSha256 === null || expectedSha256 === found.sha256;
  const isFor = [escrow.recovery_key, wrappedForKey(escrow.sealed)].every(
    (id) => id === recoveryKeyId(recovery),
  );
  const isCurrent = escrow.digest === digestOf(contentOf(secrets), masterKey);
  const problem = !isFor
    ? `${KEY} is for another recovery key (${escrow.recovery_key})`
    : !isCurrent
      ? `${KEY} has other secrets than this host`
      : isSame
        ? null
        : `${KEY} was changed since it was stored`;
  return { ...found, sealed: escrow.sealed, problem };
}

/**
 * Opens what `checkEscrow` returns.
 *
 * @param recoveryKey the private half
 * @throws BackupProblem
 */
export function openEscrow(sealed: string, recoveryKey: string): Secrets {
  const content = unwrapWithRecovery(recoveryKey, sealed, BELONGS_TO);
  return z.record(z.string(), z.string()).parse(JSON.parse(content.toString()));
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
  return openEscrow(escrow.sealed, recoveryKey);
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
