import type { FastifyRequest } from 'fastify';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { lifecycleStatus } from '../../../shared/instance.ts';
import type { DatabaseAccess, DatabaseSummary, Session } from '../../../shared/protocol.ts';
import type { CatalogEntry } from '../../databases/catalog.ts';
import { ownerToken, type TokenLimit } from '../../databases/owner/owner-access.ts';
import type { ApiDeps } from '../../http/deps.ts';
import { clientAddress } from '../../http/limits.ts';
import type { Origin } from '../sessions/session-repository.ts';
import type { IssuedSession } from '../sessions/sessions.ts';
import type { User } from '../user-repository.ts';
import { LOCAL_ADDRESS } from './sign-in-limits.ts';

/** How long a sign-in waits for a database that is on its way up, before it answers with the status as it is. */
const START_PATIENCE_MS = 15_000;

export function summarise({ runner }: CatalogEntry): DatabaseSummary {
  const { name, url, port, phase } = runner.state.view();
  return { name, url, port, status: lifecycleStatus(phase) };
}

/** The database of who is given one; null for everybody else. */
export async function databaseFor(user: User, deps: ApiDeps): Promise<CatalogEntry | null> {
  return user.role === 'user' ? databaseOf(user, deps) : null;
}

/** The user's database, provisioned if there is none; waits for one that is starting. */
export async function databaseOf(user: { id: string; email: string }, deps: ApiDeps): Promise<CatalogEntry> {
  const entry = await deps.provisioner.ensure(user);
  const { state } = entry.runner;
  await state.until(
    () => state.observed.desired === 'stopped' || ['running', 'failed', 'backing_off'].includes(state.phase),
    AbortSignal.timeout(START_PATIENCE_MS),
  );
  return entry;
}

/** A new session, with the database and a token that signs the owner in there. */
export async function sessionFor(user: User, request: FastifyRequest, deps: ApiDeps): Promise<Session> {
  const issued = await deps.sessions.issue(user);
  await deps.sessionRepository.open({ ...issued, ...originOf(request, deps), user: user.id });
  return describeSession(user, issued, deps);
}

export async function describeSession(
  user: User,
  { token, expiresAt }: IssuedSession,
  deps: ApiDeps,
): Promise<Session> {
  const entry = await databaseFor(user, deps);
  return {
    token,
    expires_at: expiresAt.toISOString(),
    user: { id: user.id, email: user.email, role: user.role },
    database: entry && (await accessTo(entry, null, deps)),
  };
}

/** What a list of sessions shows of the program that opened one. */
export function originOf(
  request: FastifyRequest,
  { trustedProxies }: Pick<ApiDeps, 'trustedProxies'>,
): Origin {
  const userAgent = (request.headers['user-agent'] ?? '').replace(/\p{C}/gu, '').slice(0, 300);
  return { user_agent: userAgent, address: clientAddress(request.raw, trustedProxies) || LOCAL_ADDRESS };
}

/** The database, with a token of its owner there. */
export async function accessTo(
  entry: CatalogEntry,
  limit: TokenLimit | null,
  deps: ApiDeps,
): Promise<DatabaseAccess> {
  return { ...summarise(entry), token: await tokenOfOwner(entry, limit, deps) };
}

/** Null, and a line in the log, when the instance's files cannot be read now: the session is good without it. */
async function tokenOfOwner(
  { row, runner }: CatalogEntry,
  limit: TokenLimit | null,
  { clock, log, ownerSync }: ApiDeps,
): Promise<string | null> {
  try {
    // The account may have changed a moment ago, by this very sign-in: what ends by that must not be given out.
    if (!(await ownerSync.carryOver(row.user))) throw new Error('the account is not carried over yet');
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
