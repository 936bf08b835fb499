import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { Answerer } from '../../shared/api/contract/endpoint.ts';
import { EDGE_TOKEN_HEADER } from '../../shared/api/edge.ts';
import { FathomError } from '../../shared/errors.ts';
import {
  type Caller,
  isPermission,
  isRole,
  type Permission,
  ROLES,
  requireScope,
  scopeOf,
} from '../accounts/permissions.ts';
import type { Identities } from '../accounts/sessions/identities.ts';
import { HOOK_TOKEN_HEADER, isToken } from '../keys/hook-token.ts';

export type { Caller } from '../accounts/permissions.ts';

export type Transport = 'tcp' | 'socket';

/**
 * A permission of the table, `public` for every caller, `hook` for hooks of the global PocketBase, or `edge` for the reverse
 * proxy.
 */
export type RoutePermission = Permission | 'public' | 'hook' | 'edge';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** From the declaration in `shared/api`; hidden routes have none. */
    operationId?: string;
    permission?: RoutePermission;
    /** The name in the audit log, null for routes that are not recorded. Required for routes that change something. */
    audit?: string | null;
    /** Errors have the form of the lifecycle API instead of RFC 9457. */
    errorForm?: 'lifecycle';
    /** Available while the daemon starts, see `Endpoint`. */
    whileStarting?: true | 'accounts';
    /** Which node of a cluster answers. */
    answeredBy?: Answerer;
    /** How long the answer may take. */
    timeoutMs?: number;
  }
}

/** What programs of this host authenticate themselves with, which are not callers. */
export interface ServiceTokens {
  /** Of the hooks of the global PocketBase. */
  hookToken: string;
  /** Of the reverse proxy; null without one. */
  edgeToken: string | null;
}

export interface Identification {
  transport: Transport;
  identities: Identities;
}

/** Limits a request to the permissions of this role; a read-only console sends `viewer`. */
export const ROLE_HEADER = 'fathom-role';

/**
 * Returns the caller of a request; null without a token.
 *
 * @throws FathomError `auth.required` for an invalid token, `request.invalid` for an unknown role
 */
export async function identifyCaller(
  headers: IncomingHttpHeaders,
  identification: Identification,
): Promise<Caller | null> {
  const caller = await identifyHolder(headers.authorization, identification);
  const ceiling = headers[ROLE_HEADER];
  if (ceiling === undefined || caller === null) return caller;
  if (isRole(ceiling)) return { ...caller, ceiling };
  throw new FathomError('request.invalid', `${ROLE_HEADER}: must be one of ${ROLES.join(', ')}`);
}

async function identifyHolder(
  authorization: string | undefined,
  { transport, identities }: Identification,
): Promise<Caller | null> {
  if (authorization === undefined) return transport === 'socket' ? { kind: 'local' } : null;
  const [scheme, token, ...rest] = authorization.split(' ');
  if (scheme?.toLowerCase() !== 'bearer' || !token || rest.length > 0) {
    throw new FathomError('auth.required', "the Authorization header must read 'Bearer <token>'");
  }
  return identities.identify(token);
}

/** Whether a request comes from a hook of the global PocketBase or from the reverse proxy itself. */
export function isFromService(
  headers: IncomingHttpHeaders,
  { hookToken, edgeToken }: ServiceTokens,
): boolean {
  return (
    isToken(headers[HOOK_TOKEN_HEADER], hookToken) ||
    (edgeToken !== null && isToken(headers[EDGE_TOKEN_HEADER], edgeToken))
  );
}

/**
 * Checks the permission of the route before the body is read.
 *
 * @throws FathomError `auth.required`, `auth.forbidden`; `not_found` for a hook route without the hook token
 */
export function authorise(request: FastifyRequest, { hookToken, edgeToken }: ServiceTokens): void {
  const { permission } = request.routeOptions.config;
  // A request that matches no route has no permission.
  if (permission === undefined || permission === 'public') return;
  if (permission === 'hook') {
    if (isToken(request.headers[HOOK_TOKEN_HEADER], hookToken)) return;
    throw new FathomError('not_found', 'not found');
  }
  if (permission === 'edge') {
    if (edgeToken !== null && isToken(request.headers[EDGE_TOKEN_HEADER], edgeToken)) return;
    throw new FathomError('auth.required', `send EDGE_TOKEN in the header ${EDGE_TOKEN_HEADER}`);
  }
  const caller = requireCaller(request);
  if (scopeOf(caller, permission) !== null) return;
  const limit =
    caller.ceiling === undefined ? '' : `; this session asked for no more than a ${caller.ceiling} may do`;
  throw new FathomError('auth.forbidden', `this needs the permission ${permission}${limit}`);
}

/** Whether the permission applies to data of all users, not only to the caller's own. */
export function seesAll(caller: Caller | null, permission: Permission): boolean {
  return caller !== null && scopeOf(caller, permission) === 'all';
}

/** @throws FathomError `auth.required` */
export function requireCaller(request: FastifyRequest): Caller {
  if (!request.caller) {
    throw new FathomError(
      'auth.required',
      "sign in and send 'Authorization: Bearer <token>', or use the local socket",
    );
  }
  return request.caller;
}

/** Checks the permission of the route for data of `owner`. @throws FathomError `auth.required`, `auth.forbidden` */
export function requireOwnerOrAll(request: FastifyRequest, owner: string | null): void {
  const { permission } = request.routeOptions.config;
  if (permission === undefined || !isPermission(permission)) return;
  requireScope(requireCaller(request), permission, owner);
}

/** Returns the caller of a request with a session. @throws FathomError `auth.required`, `conflict` without one */
export function requireSession(request: FastifyRequest): Extract<Caller, { kind: 'session' | 'key' }> {
  const caller = requireCaller(request);
  if (caller.kind !== 'session') {
    throw new FathomError('conflict', 'this request has no session; sign in first');
  }
  return caller;
}

/** Returns the id of the signed-in user. @throws FathomError `auth.required`, `conflict` on the local socket */
export function requireUserId(request: FastifyRequest): string {
  const caller = requireCaller(request);
  if (caller.kind === 'local') {
    throw new FathomError('conflict', 'the local socket has no user account; sign in for this');
  }
  return caller.userId;
}
