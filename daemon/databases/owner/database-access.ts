import type { DatabaseAccess, DatabaseSummary, Session } from '../../../shared/api/accounts/auth.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { lifecycleStatus } from '../../../shared/instance.ts';
import type { Origin, SessionRepository } from '../../accounts/sessions/session-repository.ts';
import type { IssuedSession, Sessions } from '../../accounts/sessions/sessions.ts';
import type { User } from '../../accounts/user-repository.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Provisioner } from '../provisioning/provisioner.ts';
import { ownerToken, type TokenLimit } from './owner-access.ts';
import type { OwnerSync } from './owner-sync.ts';

/** How long a sign-in waits for a database that is on its way up, before it answers with the status as it is. */
const START_PATIENCE_MS = 15_000;

export function summarise({ runner }: CatalogEntry): DatabaseSummary {
  const { name, url, port, phase } = runner.state.view();
  return { name, url, port, status: lifecycleStatus(phase) };
}

export interface DatabaseAccessDeps {
  provisioner: Provisioner;
  sessions: Sessions;
  sessionRepository: SessionRepository;
  ownerSync: OwnerSync;
  clock: Clock;
  log: Logger;
}

/** The database of who is given one; null for everybody else. */
export async function databaseFor(user: User, deps: DatabaseAccessDeps): Promise<CatalogEntry | null> {
  return user.role === 'user' ? databaseOf(user, deps) : null;
}

/** The user's database, provisioned if there is none; waits for one that is starting. */
export async function databaseOf(
  user: { id: string; email: string },
  deps: DatabaseAccessDeps,
): Promise<CatalogEntry> {
  const entry = await deps.provisioner.ensure(user);
  const { state } = entry.runner;
  await state.until(
    () => state.observed.desired === 'stopped' || ['running', 'failed', 'backing_off'].includes(state.phase),
    AbortSignal.timeout(START_PATIENCE_MS),
  );
  return entry;
}

/** A new session, with the database and a token that signs the owner in there. */
export async function sessionFor(user: User, origin: Origin, deps: DatabaseAccessDeps): Promise<Session> {
  const issued = await deps.sessions.issue(user);
  await deps.sessionRepository.open({ ...issued, ...origin, user: user.id });
  return describeSession(user, issued, deps);
}

export async function describeSession(
  user: User,
  { token, expiresAt }: IssuedSession,
  deps: DatabaseAccessDeps,
): Promise<Session> {
  return {
    token,
    expires_at: expiresAt.toISOString(),
    user: { id: user.id, email: user.email, role: user.role },
    database: user.role === 'user' ? await openDatabase(user, null, deps) : null,
  };
}

/** The user's database as `databaseOf` returns it, with a token of its owner there. */
export async function openDatabase(
  user: { id: string; email: string },
  limit: TokenLimit | null,
  deps: DatabaseAccessDeps,
): Promise<DatabaseAccess> {
  const sinceMs = deps.clock.monotonic();
  const entry = await databaseOf(user, deps);
  return { ...summarise(entry), token: await tokenOfOwner(entry, { limit, sinceMs }, deps) };
}

/** Null, and a line in the log, when the instance's files cannot be read now: the session is good without it. */
async function tokenOfOwner(
  { row, runner }: CatalogEntry,
  { limit, sinceMs }: { limit: TokenLimit | null; sinceMs: number },
  { clock, log, ownerSync }: DatabaseAccessDeps,
): Promise<string | null> {
  try {
    // The account may have changed a moment ago, by this very sign-in: what ends by that must not be given out.
    if (!(await ownerSync.carryOver(row.user, sinceMs)))
      throw new Error('the account is not carried over yet');
    return await ownerToken(runner.state.view().db_path, row.user, { clock, limit });
  } catch (error) {
    log.warn({ instance: row.name }, `no token for the owner: ${messageOf(error)}`);
    return null;
  }
}

/** The account is there although its database is not: say so, whatever the reason was. */
export function accountExists(error: unknown): unknown {
  if (!(error instanceof FathomError)) return error;
  return new FathomError(
    error.code,
    `${error.message}. The account was created; sign in later, its database is made as soon as possible`,
    { cause: error },
  );
}
