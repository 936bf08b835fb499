import type { DatabaseAccess, DatabaseSummary, Session } from '../../../shared/api/accounts/auth.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { type InstancePhase, lifecycleStatus } from '../../../shared/instance.ts';
import type { Plans } from '../../accounts/plans/plans.ts';
import {
  describeOpening,
  type Origin,
  type SessionRepository,
} from '../../accounts/sessions/session-repository.ts';
import type { IssuedSession, Sessions } from '../../accounts/sessions/sessions.ts';
import type { SignInGate } from '../../accounts/sign-in/sign-in-gate.ts';
import type { User } from '../../accounts/user-repository.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, settlesWithin } from '../../base/time/clock.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import type { Observed } from '../../supervisor/instance-state.ts';
import { isSoon } from '../../supervisor/unavailable-reason.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { DatabaseRepository } from '../database-repository.ts';
import { createTokenElsewhere } from '../elsewhere/databases-elsewhere.ts';
import type { DatabaseElsewhere } from '../elsewhere/elsewhere-instance.ts';
import { ensureAwake } from '../instance-client.ts';
import type { Provisioner, Reserve } from '../provisioning/provisioner.ts';
import { signOwnerToken, signWithKeys, type TokenLimit } from './owner-access.ts';
import type { OwnerSync } from './owner-sync.ts';

/** How long a sign-in waits for a starting database before it responds with the current status. */
const START_TIMEOUT_MS = 15_000;

/** Phases in which a sign-in does not wait. */
const START_ENDED: ReadonlySet<InstancePhase> = new Set(['running', 'asleep', 'failed']);

interface Settling {
  readonly phase: InstancePhase;
  readonly observed: Readonly<Pick<Observed, 'desired' | 'nextAttemptAt'>>;
}

/** Whether a sign-in waits no longer. It waits for a start after a failure like the connections to the database. */
export function hasSettled({ phase, observed: { desired, nextAttemptAt } }: Settling, now: Date): boolean {
  if (desired === 'stopped') return true;
  if (phase !== 'backing_off') return START_ENDED.has(phase);
  // Not known yet: the state changes once it is.
  return nextAttemptAt !== null && !isSoon(nextAttemptAt.getTime() - now.getTime());
}

function summarizeDatabase({ runner }: CatalogEntry): DatabaseSummary {
  const { name, url, port, phase } = runner.state.view();
  const asleep = phase === 'asleep' && ({ asleep: true } as const);
  return { name, url, port, status: lifecycleStatus(phase), ...asleep };
}

export interface DatabaseAccessDeps {
  provisioner: Provisioner;
  fleet: Fleet;
  sessions: Sessions;
  sessionRepository: SessionRepository;
  databaseRepository: DatabaseRepository;
  plans: Plans;
  ownerSync: OwnerSync;
  signInGate: SignInGate;
  clock: Clock;
  log: Logger;
}

interface AccessOptions {
  /** Whether a database that sleeps starts. */
  wakes: boolean;
  /** See `Provisioner.ensure`. */
  reserve?: Reserve;
}

/** The database of an account that gets one after its address is proved. */
const AWAITING_VERIFICATION: DatabaseSummary = {
  name: '',
  url: null,
  port: null,
  status: 'awaiting_verification',
};

/** Describes the database of a user, as `ensureDatabase` without a wake; null for roles without a database. */
export async function summarizeOwnDatabase(
  user: User,
  deps: DatabaseAccessDeps,
): Promise<DatabaseSummary | null> {
  if (user.role !== 'user') return null;
  const other = deps.provisioner.elsewhere(user.id);
  if (other !== null) return (await findElsewhere(other, deps.log)).summary;
  const entry = await ensureUnlessUnverified(user, deps, { wakes: false });
  return entry === null ? AWAITING_VERIFICATION : summarizeDatabase(entry);
}

/** Null for an account whose address has to be proved first. */
async function ensureUnlessUnverified(
  user: { id: string; email: string },
  deps: DatabaseAccessDeps,
  options: AccessOptions,
): Promise<CatalogEntry | null> {
  try {
    return await ensureDatabase(user, deps, options);
  } catch (error) {
    if (error instanceof FathomError && error.code === 'address.unverified') return null;
    throw error;
  }
}

/**
 * Returns the user's database. Provisions it if there is none, and waits while it is starting.
 *
 * @param wakes whether a database that sleeps starts
 */
async function ensureDatabase(
  user: { id: string; email: string },
  deps: DatabaseAccessDeps,
  { wakes, reserve }: AccessOptions,
): Promise<CatalogEntry> {
  const entry = await deps.provisioner.ensure(user, reserve);
  const { state } = entry.runner;
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  if (wakes) await ensureAwake(entry, deps.fleet, 'sign_in', START_TIMEOUT_MS);
  await state.until(() => hasSettled(state, deps.clock.now()), signal);
  return entry;
}

/**
 * Opens a session. The response contains the database and a token of its owner.
 *
 * @param options.wakes whether a database that sleeps starts, as a new one may
 */
export async function openSession(
  user: User,
  origin: Origin,
  deps: DatabaseAccessDeps,
  options = { wakes: true },
): Promise<Session> {
  const issued = await deps.sessions.issue(user);
  const limit = deps.plans.limitsOf(user.plan).sessions;
  const session = describeOpening({ ...issued, ...origin, user: user.id, limit });
  let isOpen = false;
  // A new database and the session are one request.
  const reserve: Reserve = async (request) => {
    const reservation = await deps.databaseRepository.reserve({ ...request, session });
    isOpen = true;
    return reservation;
  };
  const described = await describeSession(user, issued, deps, { ...options, reserve });
  if (!isOpen) await deps.sessionRepository.open(session);
  return described;
}

export async function describeSession(
  user: User,
  { token, expiresAt }: IssuedSession,
  deps: DatabaseAccessDeps,
  options: AccessOptions = { wakes: true },
): Promise<Session> {
  return {
    token,
    expires_at: expiresAt.toISOString(),
    user: { id: user.id, email: user.email, role: user.role },
    database: user.role === 'user' ? await openDatabase(user, null, deps, options) : null,
  };
}

/** Returns the user's database, as `ensureDatabase`, with a token of its owner. */
export async function openDatabase(
  user: { id: string; email: string },
  limit: TokenLimit | null,
  deps: DatabaseAccessDeps,
  options: AccessOptions = { wakes: true },
): Promise<DatabaseAccess> {
  const sinceMs = deps.clock.monotonic();
  const other = deps.provisioner.elsewhere(user.id);
  if (other !== null) return openElsewhere(other, limit, deps);
  if (!(await settlesWithin(deps.clock, START_TIMEOUT_MS, deps.signInGate.begun)))
    return describeNotBegun(deps.provisioner.find(user.id));
  const entry = await ensureUnlessUnverified(user, deps, options);
  if (entry === null) return { ...AWAITING_VERIFICATION, token: null };
  const token = await createOwnerToken(entry, { limit, sinceMs }, deps);
  const summary = summarizeDatabase(entry);
  // Without a URL, another process could receive the token.
  return { ...summary, token: summary.url === null ? null : token };
}

/** The database of an account while the daemon still restores those of a lost node. @throws FathomError `daemon.starting` */
function describeNotBegun(entry: CatalogEntry | null): DatabaseAccess {
  if (entry === null)
    throw new FathomError('daemon.starting', 'the daemon is starting: it creates no databases yet');
  const { name } = entry.row;
  return { name, url: null, port: null, status: 'Starting', token: null };
}

async function findElsewhere(
  { row: { name, port, desired }, other, urlOf }: DatabaseElsewhere,
  log: Logger,
): Promise<{ summary: DatabaseSummary; place: { address: string; port: number } | null }> {
  const known = port > 0 ? { address: other.address, port } : null;
  const place = await other.locate().catch((error: unknown) => {
    log.warn({ instance: name, node: other.node }, `its present address is not known: ${messageOf(error)}`);
    return known;
  });
  const status = place !== null ? 'Running' : desired === 'running' ? 'Starting' : 'Stopped';
  const url = place === null ? null : urlOf(place.port, place.address);
  return { summary: { name, url, port: place?.port ?? null, status }, place };
}

async function openElsewhere(
  database: DatabaseElsewhere,
  limit: TokenLimit | null,
  { clock, log }: DatabaseAccessDeps,
): Promise<DatabaseAccess> {
  const { summary, place } = await findElsewhere(database, log);
  if (place === null) return { ...summary, token: null };
  try {
    return { ...summary, token: await createTokenElsewhere(database, place, limit, clock.now()) };
  } catch (error) {
    const { node } = database.other;
    log.warn({ instance: summary.name, node }, `no token for the owner: ${messageOf(error)}`);
    return { ...summary, token: null };
  }
}

/** Returns null and logs a warning when the files of the instance cannot be read now; the session works without it. */
async function createOwnerToken(
  { row, runner }: CatalogEntry,
  { limit, sinceMs }: { limit: TokenLimit | null; sinceMs: number },
  { clock, log, ownerSync }: DatabaseAccessDeps,
): Promise<string | null> {
  try {
    const keys = ownerSync.keysOfNew(row.user, sinceMs);
    if (keys !== null) return await signWithKeys(keys, row.user, { clock, limit });
    // This sign-in may have changed the account, which ends earlier tokens. The new token must be signed after that.
    if (!(await ownerSync.syncNow(row.user, sinceMs)))
      throw new Error('the account is not copied into the database yet');
    return await signOwnerToken(runner.state.view().db_path, row.user, { clock, limit });
  } catch (error) {
    log.warn({ instance: row.name }, `no token for the owner: ${messageOf(error)}`);
    return null;
  }
}

/** Adds to an error that the account was created, although its database was not. */
export function withAccountCreated(error: unknown): unknown {
  if (!(error instanceof FathomError)) return error;
  return new FathomError(
    error.code,
    `${error.message}. The account was created; sign in later, its database is created as soon as possible`,
    { cause: error },
  );
}
