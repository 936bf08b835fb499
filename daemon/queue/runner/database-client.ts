import type PocketBase from 'pocketbase';
import type { DatabaseAccess } from './messages.ts';

/** Half of the lifetime of a token, so that a long task always has a valid one. */
const RENEW_AFTER_MS = 25 * 60_000;

/** Creates a PocketBase client that stays signed in as superuser of one user database. */
export async function databaseClient(
  { url, token }: DatabaseAccess,
  renew: () => Promise<string>,
): Promise<PocketBase> {
  // Loaded only for tasks that use a database: it would take most of the start of a runner.
  const { default: Client } = await import('pocketbase');
  const client = new Client(url);
  client.autoCancellation(false);
  client.authStore.save(token);
  let savedAt = performance.now();
  client.beforeSend = async (target, options) => {
    if (performance.now() - savedAt > RENEW_AFTER_MS) {
      savedAt = performance.now();
      client.authStore.save(await renew());
      options.headers = { ...options.headers, Authorization: client.authStore.token };
    }
    return { url: target, options };
  };
  return client;
}
