import PocketBase from 'pocketbase';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { keyId } from '../../daemon/keys/derived-keys.ts';
import { unseal } from '../../daemon/keys/envelope.ts';
import { superuserTokens } from '../../daemon/keys/instance-access.ts';
import type { Deployment } from './deployment.ts';
import type { DatabaseRow } from './fleet-state.ts';

/** The secret from which Fathom's own access to an instance follows, as the daemon reads it. */
export function superuserSecret({ env }: Deployment, { user, superuser_secret }: DatabaseRow): Buffer {
  const key = Buffer.from(env['AES_MASTER_KEY'] ?? '', 'base64');
  return unseal([{ id: keyId(key), key }], superuser_secret, `user_databases/${user}/superuser_secret`);
}

export function superuserToken(fathom: Deployment, row: DatabaseRow): string | Promise<string> {
  return superuserTokens(superuserSecret(fathom, row), systemClock)();
}

/** An instance as Fathom's own superuser sees it. */
export async function asSuperuser(fathom: Deployment, row: DatabaseRow): Promise<PocketBase> {
  const client = new PocketBase(`http://127.0.0.1:${row.port}`);
  client.authStore.save(await superuserToken(fathom, row));
  return client;
}
