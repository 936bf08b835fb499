import type PocketBase from 'pocketbase';
import type { DatabaseAccess } from './messages.ts';

/** Half of what a token is good for, so that a long task always has a valid one. */
const RENEW_AFTER_MS = 25 * 60_000;

/** A PocketBase client signed in as superuser of one user database, for as long as the task takes. */
export async function databaseClient(
  { url, token }: DatabaseAccess,
  renew: () => Promise<string>,
): Promise<PocketBase> {
  // Loaded only where a task works on a database: most of a runner's start would be this.
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
