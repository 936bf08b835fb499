import { z } from 'zod';
import {
  credentialsSchema,
  databaseSummarySchema,
  registerSchema,
  sessionSchema,
  userSummarySchema,
} from '../protocol.ts';
import { endpoint, noContent, OPERATION_TIMEOUT_MS } from './endpoint.ts';
import { EXAMPLE_TIME } from './fields.ts';

const tag = 'Sign-in';

const ticketSchema = z
  .object({ ticket: z.string(), expires_at: z.iso.datetime() })
  .meta({ id: 'Ticket', examples: [{ ticket: 'q7Jt0w3zV5bN', expires_at: EXAMPLE_TIME }] });

export const register = endpoint({
  operationId: 'register',
  method: 'POST',
  path: '/api/v1/auth/register',
  tag,
  summary: 'Sign up',
  description:
    'Creates an account and its database, and signs in. Takes the fields that the administrator has added to the accounts.',
  permission: 'public',
  audit: 'sign-up',
  body: registerSchema,
  responses: { 201: { description: 'The account is created and signed in.', schema: sessionSchema } },
  errors: ['auth.email_taken', 'instance.failed', 'ports.exhausted', 'provision.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const login = endpoint({
  operationId: 'login',
  method: 'POST',
  path: '/api/v1/auth/login',
  tag,
  summary: 'Sign in',
  description: 'Creates the database of the account if it has none.',
  permission: 'public',
  audit: 'sign-in',
  body: credentialsSchema,
  responses: { 200: { description: 'A new session.', schema: sessionSchema } },
  errors: ['auth.failed', 'instance.failed', 'ports.exhausted', 'provision.failed'],
});

export const exchangeToken = endpoint({
  operationId: 'exchangeToken',
  method: 'POST',
  path: '/api/v1/auth/exchange',
  tag,
  summary: 'Exchange a token of the global PocketBase for a session',
  description: 'For accounts that sign in at the global PocketBase, also by a provider or a code.',
  permission: 'public',
  audit: 'sign-in',
  body: z
    .strictObject({ token: z.string().min(1).max(4096) })
    .meta({ id: 'GlobalToken', examples: [{ token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' }] }),
  responses: { 200: { description: 'A new session.', schema: sessionSchema } },
  errors: ['auth.failed', 'instance.failed', 'ports.exhausted', 'provision.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const refreshSession = endpoint({
  operationId: 'refreshSession',
  method: 'POST',
  path: '/api/v1/auth/refresh',
  tag,
  summary: 'Renew the session',
  description: 'Answers with a new token. The old token ends.',
  permission: 'account.use',
  // It changes nothing that others could ask about later.
  audit: null,
  responses: { 200: { description: 'The renewed session.', schema: sessionSchema } },
  errors: ['conflict', 'instance.failed', 'ports.exhausted', 'provision.failed'],
});

export const logout = endpoint({
  operationId: 'logout',
  method: 'POST',
  path: '/api/v1/auth/logout',
  tag,
  summary: 'Sign out',
  description: 'Ends the session of the token.',
  permission: 'account.use',
  audit: 'sign-out',
  responses: noContent('The session has ended.'),
  errors: ['conflict'],
});

export const getMe = endpoint({
  operationId: 'getMe',
  method: 'GET',
  path: '/api/v1/me',
  tag,
  summary: 'Show the signed-in account',
  description: 'Id, e-mail address and role.',
  permission: 'account.use',
  responses: { 200: { description: 'The account.', schema: userSummarySchema } },
  errors: ['conflict'],
});

export const getMyDatabase = endpoint({
  operationId: 'getMyDatabase',
  method: 'GET',
  path: '/api/v1/me/database',
  tag,
  summary: 'Show the database of the signed-in account',
  description: 'Creates the database if there is none. Only accounts with the role `user` have one.',
  permission: 'account.use',
  responses: { 200: { description: 'The database.', schema: databaseSummarySchema } },
  errors: ['not_found', 'conflict', 'instance.failed', 'ports.exhausted', 'provision.failed'],
});

export const createTicket = endpoint({
  operationId: 'createTicket',
  method: 'POST',
  path: '/api/v1/ws-ticket',
  tag,
  summary: 'Create a ticket for the stream',
  description: 'The ticket opens one WebSocket at `/ws?ticket=TICKET`, within 30 seconds.',
  permission: 'stream.open',
  audit: null,
  responses: { 201: { description: 'The ticket.', schema: ticketSchema } },
});

/** Methods of `client.auth`. */
export const auth = {
  register,
  login,
  exchange: exchangeToken,
  refresh: refreshSession,
  logout,
  me: getMe,
  database: getMyDatabase,
  ticket: createTicket,
};
