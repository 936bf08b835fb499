import { type ControlPlaneClient, isStatus } from '../control-plane/client.ts';
import { type MasterKeys, unseal } from '../keys/envelope.ts';
import type { Seal } from '../keys/master-keys.ts';

export interface SealedSecretsDeps {
  client: ControlPlaneClient;
  masterKeys: MasterKeys;
  seal: Seal;
}

/**
 * Reads a secret that the control plane keeps under a name, in an envelope; the first time it is put there.
 *
 * @param initial what it is when there is none yet
 * @throws FathomError `secret.undecryptable`, and as `ControlPlaneClient.call`
 */
export async function sealedSecret(
  name: string,
  initial: Uint8Array,
  deps: SealedSecretsDeps,
): Promise<Buffer> {
  const row = await find(deps.client, name);
  if (row !== null) return unseal(deps.masterKeys, row.envelope, belongsTo(name));
  await create(name, initial, deps);
  return Buffer.from(initial);
}

/**
 * Puts a secret in the place of the one that is kept under the name.
 *
 * @returns the former one; null when there was none
 * @throws as `sealedSecret`; the former one is kept then
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
  const former = unseal(deps.masterKeys, row.envelope, belongsTo(name));
  if (former.equals(value)) return former;
  const envelope = deps.seal(value, belongsTo(name));
  await deps.client.call((pocketbase) =>
    pocketbase.collection('sealed_secrets').update(row.id, { envelope }),
  );
  return former;
}

async function create(name: string, value: Uint8Array, { client, seal }: SealedSecretsDeps): Promise<void> {
  const envelope = seal(value, belongsTo(name));
  await client.call((pocketbase) => pocketbase.collection('sealed_secrets').create({ name, envelope }));
}

/** The row that an envelope is bound to. */
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
