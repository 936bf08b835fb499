import { type MasterKeys, seal, unseal } from '../security/envelope.ts';
import { type ControlPlaneClient, isStatus } from './client.ts';

/**
 * Reads a secret that the control plane keeps under a name, in an envelope; the first time it is put there.
 *
 * @param initial what it is when there is none yet
 * @throws FathomError `secret.undecryptable`, and as `ControlPlaneClient.call`
 */
export async function sealedSecret(
  name: string,
  initial: Uint8Array,
  { client, masterKeys }: { client: ControlPlaneClient; masterKeys: MasterKeys },
): Promise<Buffer> {
  const belongsTo = `sealed_secrets/${name}/envelope`;
  const kept = await find(client, name);
  if (kept !== null) return unseal(masterKeys, kept, belongsTo);
  const envelope = seal(masterKeys[0], initial, belongsTo);
  await client.call((pocketbase) => pocketbase.collection('sealed_secrets').create({ name, envelope }));
  return Buffer.from(initial);
}

async function find(client: ControlPlaneClient, name: string): Promise<string | null> {
  try {
    const row = await client.call((pocketbase) =>
      pocketbase.collection('sealed_secrets').getFirstListItem(pocketbase.filter('name = {:name}', { name })),
    );
    return String(row['envelope']);
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}
