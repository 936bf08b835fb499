import { type ControlPlaneClient, isStatus } from '../control-plane/client.ts';
import { type MasterKeys, unseal } from '../keys/envelope.ts';
import type { Seal } from '../keys/master-keys.ts';

export interface SealedSecretsDeps {
  client: ControlPlaneClient;
  masterKeys: MasterKeys;
  seal: Seal;
}

/**
 * Reads a secret that the control plane stores in an envelope. Stores `initial` when there is none.
 *
 * @throws FathomError `secret.undecryptable`, and as `ControlPlaneClient.call`
 */
export async function readSealedSecret(
  name: string,
  initial: Uint8Array,
  deps: SealedSecretsDeps,
): Promise<Buffer> {
  const stored = await findSealedSecret(name, deps);
  if (stored !== null) return stored;
  await create(name, initial, deps);
  return Buffer.from(initial);
}

/** Reads a secret; null without one. @throws as `readSealedSecret` */
export async function findSealedSecret(
  name: string,
  { client, masterKeys }: Pick<SealedSecretsDeps, 'client' | 'masterKeys'>,
): Promise<Buffer | null> {
  const row = await find(client, name);
  return row && unseal(masterKeys, row.envelope, belongsTo(name));
}

/**
 * Replaces a secret.
 *
 * @returns the previous value; null when there was none
 * @throws as `readSealedSecret`; then the previous value stays
 */
export async function exchangeSealedSecret(
  name: string,
  value: Uint8Array,
  deps: SealedSecretsDeps,
): Promise<Buffer | null> {
  const row = await find(deps.client, name);
  if (row === null) {
    await create(name, value, deps);
    return null;
  }
  const previous = unseal(deps.masterKeys, row.envelope, belongsTo(name));
  if (previous.equals(value)) return previous;
  const envelope = deps.seal(value, belongsTo(name));
  await deps.client.call((pocketbase) =>
    pocketbase.collection('sealed_secrets').update(row.id, { envelope }),
  );
  return previous;
}

async function create(name: string, value: Uint8Array, { client, seal }: SealedSecretsDeps): Promise<void> {
  const envelope = seal(value, belongsTo(name));
  await client.call((pocketbase) => pocketbase.collection('sealed_secrets').create({ name, envelope }));
}

/** Returns the owner to which the envelope of a secret is bound. */
export function belongsTo(name: string): string {
  return `sealed_secrets/${name}/envelope`;
}

async function find(
  client: ControlPlaneClient,
  name: string,
): Promise<{ id: string; envelope: string } | null> {
  try {
    const row = await client.call((pocketbase) =>
      pocketbase.collection('sealed_secrets').getFirstListItem(pocketbase.filter('name = {:name}', { name })),
    );
    return { id: row.id, envelope: String(row['envelope']) };
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}
