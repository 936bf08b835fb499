import { FathomError } from '../../shared/errors.ts';
import type { InstancePhase } from '../../shared/instance.ts';
import { causeFor } from '../../shared/reasons.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import { ensureAwake } from '../databases/instance-client.ts';
import { hasSettled } from '../databases/owner/database-access.ts';
import type { Fleet } from '../supervisor/fleet.ts';

/** How long a request waits for a database that sleeps, or is starting. */
const START_TIMEOUT_MS = 15_000;
const RETRY_START_S = 5;
const RETRY_MAINTENANCE_S = 10;

export interface OwnDatabaseDeps {
  catalog: Catalog;
  fleet: Fleet;
  clock: Clock;
}

/** A database that answers now. */
export interface AwakeDatabase {
  entry: CatalogEntry;
  port: number;
}

/**
 * Returns the own database of a user, once it runs. One that sleeps is woken.
 *
 * @throws FathomError `conflict` without a database, `database.unavailable`
 */
export async function awakeDatabaseOf(
  userId: string,
  { catalog, fleet, clock }: OwnDatabaseDeps,
): Promise<AwakeDatabase> {
  const entry = catalog.findByUser(userId);
  if (entry === null) throw noDatabase();
  const { state } = entry.runner;
  if (state.phase !== 'running') {
    await ensureAwake(entry, fleet, 'connection', START_TIMEOUT_MS);
    const signal = AbortSignal.timeout(START_TIMEOUT_MS);
    await state.until(() => hasSettled(state, clock.now()), signal);
  }
  const { port } = state.observed;
  if (state.phase !== 'running' || port === null) throw unavailable(entry, clock.now());
  return { entry, port };
}

export function noDatabase(): FathomError {
  return new FathomError(
    'conflict',
    "this account has no database; GET /api/v1/me/database creates it for accounts with the role 'user'",
  );
}

/** Says why a database does not answer, and what to do. The owner reads it, so it names nothing of the host. */
function unavailable({ row, runner: { state, maintenance } }: CatalogEntry, now: Date): FathomError {
  const of = (message: string, retryAfterS: number | null) =>
    new FathomError('database.unavailable', `${row.name} ${message}`, { retryAfterS });
  const { phase, reason, observed } = state;
  if (maintenance) return of('is being changed or restored now; try again later', RETRY_MAINTENANCE_S);
  if (observed.desired === 'stopped')
    return of(`is stopped; start it with POST /api/v1/databases/${row.name}/start`, null);
  if (phase === 'failed') {
    const code = reason === null ? '' : ` (${reason.code})`;
    return of(`cannot be started${code}; ask an administrator, who sees the cause`, null);
  }
  if (phase === 'backing_off' && observed.nextAttemptAt !== null) {
    const waitS = Math.max(1, Math.ceil((observed.nextAttemptAt.getTime() - now.getTime()) / 1000));
    const why = reason === null ? '' : ` (${causeFor(reason.code)})`;
    return of(`does not run now${why}; its next start is in ${waitS} s, try again then`, waitS);
  }
  return of(`${STATES[phase] ?? 'is starting'}; try again in ${RETRY_START_S} s`, RETRY_START_S);
}

const STATES: Partial<Record<InstancePhase, string>> = {
  unresponsive: 'does not respond',
  stopping: 'is falling asleep or restarting',
  waking: 'is starting, or comes back from its backup',
};
