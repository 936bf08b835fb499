import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { FathomError } from '../../../shared/errors.ts';
import {
  credentialsSchema,
  databaseSummarySchema,
  problemSchema,
  registerSchema,
  sessionSchema,
  userSummarySchema,
} from '../../../shared/protocol.ts';
import type { User } from '../../control-plane/users.ts';
import { requireCaller, requireUserId } from '../caller.ts';
import {
  accountExists,
  databaseFor,
  describeSession,
  originOf,
  sessionFor,
  summarise,
} from '../database-access.ts';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const ticketSchema = z.object({ ticket: z.string(), expires_at: z.iso.datetime() });

/** Signing up and in, and what concerns the caller alone. */
export function authRoutes(app: Api, deps: ApiDeps): void {
  app.post(
    '/api/v1/auth/register',
    {
      config: { permission: 'public', audit: 'sign-up' },
      schema: {
        body: registerSchema,
        response: { 201: sessionSchema, 400: problemSchema, 409: problemSchema },
      },
    },
    async (request, reply) => {
      const { address } = originOf(request);
      deps.signInLimits.countSignUp(address);
      const user = await deps.users.create(request.body).catch((error: unknown) => {
        if (error instanceof FathomError) deps.signInLimits.signUpRefused(address);
        throw error;
      });
      try {
        return await reply.code(201).send(await sessionFor(user, request, deps));
      } catch (error) {
        throw accountExists(error);
      }
    },
  );

  app.post(
    '/api/v1/auth/login',
    {
      config: { permission: 'public', audit: 'sign-in' },
      schema: { body: credentialsSchema, response: { 200: sessionSchema, 401: problemSchema } },
    },
    async (request) => {
      const { email, password } = request.body;
      const attempt = deps.signInLimits.beginSignIn(email, originOf(request).address);
      const user = await deps.users.authenticate(email, password).catch((error: unknown) => {
        attempt.failed();
        throw error;
      });
      if (!user) {
        attempt.failed();
        throw new FathomError('auth.failed', 'e-mail or password is wrong, or the account is not active');
      }
      attempt.succeeded();
      return sessionFor(user, request, deps);
    },
  );

  app.post(
    '/api/v1/auth/exchange',
    {
      config: { permission: 'public', audit: 'sign-in' },
      schema: {
        body: z.strictObject({ token: z.string().min(1).max(4096) }),
        response: { 200: sessionSchema, 401: problemSchema },
      },
    },
    async (request) => {
      const user = await deps.users.authenticateByToken(request.body.token);
      if (user) return sessionFor(user, request, deps);
      throw new FathomError(
        'auth.failed',
        'the token is not one of a sign-in at the global PocketBase, or has ended',
      );
    },
  );

  app.post(
    '/api/v1/auth/refresh',
    {
      // It changes nothing that others could ask about later.
      config: { permission: 'account.use', audit: null },
      schema: { response: { 200: sessionSchema, 401: problemSchema } },
    },
    async (request) => {
      const old = await deps.sessions.verify(sessionToken(request));
      const user = await caller(old.userId);
      const issued = await deps.sessions.issue(user);
      const renewed = await deps.sessionRepository.renew(old.hash, { ...issued, ...originOf(request) });
      deps.identities.changed(user.id);
      if (!renewed) throw new FathomError('auth.required', 'the session has ended; sign in again');
      return describeSession(user, issued, deps);
    },
  );

  app.post(
    '/api/v1/auth/logout',
    {
      config: { permission: 'account.use', audit: 'sign-out' },
      schema: { response: { 204: z.null(), 401: problemSchema } },
    },
    async (request, reply) => {
      sessionToken(request);
      const session = requireCaller(request);
      if (session.kind === 'session') {
        await deps.sessionRepository.delete('sessions', session.id);
        deps.identities.changed(session.userId);
      }
      return reply.code(204).send(null);
    },
  );

  const caller = async (userId: string): Promise<User> => {
    const user = await deps.users.find(userId);
    if (!user) throw new FathomError('auth.required', 'this account is gone');
    return user;
  };

  app.get(
    '/api/v1/me',
    { config: { permission: 'account.use' }, schema: { response: { 200: userSummarySchema } } },
    async (request) => {
      const { id, email, role } = await caller(requireUserId(request));
      return { id, email, role };
    },
  );

  app.get(
    '/api/v1/me/database',
    {
      config: { permission: 'account.use' },
      schema: { response: { 200: databaseSummarySchema, 404: problemSchema } },
    },
    async (request) => {
      const entry = await databaseFor(await caller(requireUserId(request)), deps);
      if (!entry) throw new FathomError('not_found', "this account's role is not given a database");
      return summarise(entry);
    },
  );

  app.post(
    '/api/v1/ws-ticket',
    { config: { permission: 'stream.open', audit: null }, schema: { response: { 201: ticketSchema } } },
    async (request, reply) => {
      const { ticket, expiresAt } = deps.tickets.issue(requireCaller(request));
      return reply.code(201).send({ ticket, expires_at: expiresAt.toISOString() });
    },
  );
}

/** @throws FathomError `conflict` for whoever comes without a session */
function sessionToken(request: FastifyRequest): string {
  if (requireCaller(request).kind !== 'session') {
    throw new FathomError('conflict', 'there is no session here: it is for those who signed in');
  }
  return (request.headers.authorization ?? '').split(' ')[1] ?? '';
}
