import PocketBase from 'pocketbase';
import { FathomError } from '../../shared/errors.ts';
import { connectAddress } from '../../shared/host.ts';
import type { CatalogEntry } from './catalog.ts';

const TIMEOUT_MS = 10_000;

/** Creates a client of a user database, signed in as Fathom's superuser. @throws FathomError `instance.not_running`, `secret.undecryptable` */
export async function createSuperuserClient({
  row,
  runner,
  superuserToken,
}: CatalogEntry): Promise<PocketBase> {
  const { phase, observed } = runner.state;
  if (phase !== 'running' || observed.port === null) {
    throw new FathomError('instance.not_running', `${row.name} does not run now (${phase}); start it first`);
  }
  const client = new PocketBase(`http://${connectAddress(runner.spec.host, observed.port)}`);
  client.authStore.save(await superuserToken());
  client.autoCancellation(false);
  client.beforeSend = (url, options) => ({
    url,
    options: { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) },
  });
  return client;
}
