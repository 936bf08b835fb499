import PocketBase from 'pocketbase';
import { FathomError } from '../../shared/errors.ts';
import { connectAddress } from '../../shared/host.ts';
import type { InstancePhase, WakeCause } from '../../shared/instance.ts';
import { causeFor } from '../../shared/reasons.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { CatalogEntry } from './catalog.ts';

const TIMEOUT_MS = 10_000;

/** Phases of an instance that sleeps, falls asleep or wakes. */
const SLEEPING: ReadonlySet<InstancePhase> = new Set(['stopping', 'asleep', 'waking']);

/** Wakes a database that sleeps, for work that needs its process. Never rejects: that work reports one that does not run. */
export async function ensureAwake(
  { row, runner: { state } }: CatalogEntry,
  fleet: Pick<Fleet, 'wake'>,
  by: WakeCause,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  if (SLEEPING.has(state.phase)) await fleet.wake(row.name, by, timeoutMs).catch(() => {});
}

/** Creates a client of a user database, signed in as Fathom's superuser. @throws FathomError `instance.not_running`, `secret.undecryptable` */
export async function createSuperuserClient({
  row,
  runner,
  superuserToken,
}: CatalogEntry): Promise<PocketBase> {
  const { phase, reason, observed } = runner.state;
  if (phase !== 'running' || observed.port === null) {
    const isWaiting = phase === 'backing_off' && reason !== null;
    const why = isWaiting
      ? `(${causeFor(reason.code)}); it is started again automatically`
      : `(${phase}); start it first`;
    throw new FathomError('instance.not_running', `${row.name} does not run now ${why}`);
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
