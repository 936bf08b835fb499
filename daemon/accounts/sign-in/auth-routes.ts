import type { FastifyRequest } from 'fastify';
import {
  createTicket,
  exchangeToken,
  getMe,
  getMyDatabase,
  login,
  logout,
  refreshSession,
  register,
} from '../../../shared/api/accounts/auth.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import type { DatabaseAccessDeps } from '../../databases/owner/database-access.ts';
import {
  describeSession,
  openSession,
  summarizeOwnDatabase,
  withAccountCreated,
} from '../../databases/owner/database-access.ts';
import type { Caller } from '../../http/caller.ts';
import { requireCaller, requireSession, requireUserId } from '../../http/caller.ts';
import { originOf } from '../../http/client-address.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { AccountMails } from '../mail/account-mails.ts';
import { withoutWiderRoles } from '../permissions.ts';
import type { Identities } from '../sessions/identities.ts';
import type { Tickets } from '../sessions/tickets.ts';
import type { SignUps } from '../sign-up/sign-ups.ts';
import type { User, UserRepository } from '../user-repository.ts';
import type { SignInBudget } from './sign-in-budget.ts';
import { RateLimitedError, type SignInLimits } from './sign-in-limits.ts';

export interface AuthRoutesDeps extends DatabaseAccessDeps {
  users: UserRepository;
  identities: Identities;
  tickets: Tickets<Caller>;
  signInLimits: SignInLimits;
  signUps: SignUps;
  signInBudget: SignInBudget;
  accountMails: AccountMails;
  settings: LiveSettings;
  trustedProxies: readonly string[];
}

/** Registers sign-up, sign-in and the routes about the caller's own account. */
export function authRoutes(app: Api, deps: AuthRoutesDeps): void {
  const inBudget = <T>(work: () => Promise<T>) => deps.signInBudget.run(work);

  serve(app, register, async (request) => {
    const origin = originOf(request, deps.trustedProxies);
    const { email, password, name, invitation, ...customFields } = request.body;
    const attempt = deps.signUps.begin(origin.address, isPresented(invitation));
    const user = await inBudget(() =>
      deps.users.create({ email, password, name, invitation, customFields }),
    ).catch((error: unknown) => {
      // Too many sign-ups at the same time are no fault of this client.
      if (error instanceof RateLimitedError) attempt.settled();
      else attempt.rejected();
      throw error;
    });
    // The sign-up does not wait for the mail server.
    if (deps.settings.signUps.mode === 'verified' && !user.verified)
      void deps.accountMails.verifyAfterSignUp(user.id);
    try {
      return await openSession(user, origin, deps, { wakes: false });
    } catch (error) {
      throw withAccountCreated(error);
    } finally {
      attempt.settled();
    }
  });

  serve(app, login, async (request) => {
    const { email, password } = request.body;
    const attempt = deps.signInLimits.beginSignIn(email, originOf(request, deps.trustedProxies).address);
    const user = await inBudget(() => deps.users.authenticate(email, password)).catch((error: unknown) => {
      // Too many sign-ins at the same time are no fault of this client.
      if (error instanceof RateLimitedError) attempt.dropped();
      else attempt.failed();
      throw error;
    });
    if (!user) {
      attempt.failed();
      throw new FathomError('auth.failed', 'e-mail or password is wrong, or the account is not active');
    }
    attempt.succeeded();
    return openSession(user, originOf(request, deps.trustedProxies), deps);
  });

  serve(app, exchangeToken, async (request) => {
    const user = await inBudget(() => deps.users.authenticateByToken(request.body.token));
    if (user) return openSession(user, originOf(request, deps.trustedProxies), deps);
    throw new FathomError(
      'auth.failed',
      'the token does not come from a sign-in at the global PocketBase, or has expired',
    );
  });

  serve(app, refreshSession, async (request) => {
    const old = await deps.sessions.verify(sessionToken(request));
    const user = await findCaller(old.userId);
    const { role } = request.body ?? {};
    const limits = role === undefined ? old.limits : withoutWiderRoles([...old.limits, role]);
    const issued = await deps.sessions.issue(user, limits);
    const renewed = await deps.sessionRepository.renew(old.hash, {
      ...issued,
      ...originOf(request, deps.trustedProxies),
    });
    deps.identities.invalidate(user.id);
    if (!renewed) throw new FathomError('auth.required', 'the session has ended; sign in again');
    return describeSession(user, issued, deps);
  });

  serve(app, logout, async (request) => {
    const session = requireSession(request);
    await deps.sessionRepository.delete(session.id);
    deps.identities.invalidate(session.userId);
  });

  const findCaller = async (userId: string): Promise<User> => {
    const user = await deps.users.find(userId);
    if (!user) throw new FathomError('auth.required', 'this account was deleted');
    return user;
  };

  serve(app, getMe, async (request) => {
    const { id, email, role } = await findCaller(requireUserId(request));
    return { id, email, role };
  });

  serve(app, getMyDatabase, async (request) => {
    const database = await summarizeOwnDatabase(await findCaller(requireUserId(request)), deps);
    if (!database) throw new FathomError('not_found', 'accounts with this role have no database');
    return database;
  });

  serve(app, createTicket, async (request) => {
    const { ticket, expiresAt } = deps.tickets.issue(requireCaller(request));
    return { ticket, expires_at: expiresAt.toISOString() };
  });
}

/** As `isPresented` of `pb_hooks/global/lib/invitations.js`. */
function isPresented(invitation: unknown): boolean {
  return invitation !== undefined && invitation !== null && invitation !== '';
}

/** @throws FathomError `conflict` for a caller without a session */
function sessionToken(request: FastifyRequest): string {
  requireSession(request);
  return (request.headers.authorization ?? '').split(' ')[1] ?? '';
}
