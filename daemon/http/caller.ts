import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { FathomError } from '../../shared/errors.ts';
import {
  type Caller,
  isRole,
  type Permission,
  ROLES,
  requireScope,
  scopeOf,
} from '../accounts/permissions.ts';
import type { Identities } from '../accounts/sessions/identities.ts';
import { HOOK_TOKEN_HEADER, isHookToken } from '../keys/hook-token.ts';

export type { Caller } from '../accounts/permissions.ts';

export type Transport = 'tcp' | 'socket';

/** What a route asks of its caller: a permission of the table, nothing, or to be a hook of the global PocketBase. */
export type RoutePermission = Permission | 'public' | 'hook';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** Of the declaration in `shared/api`; routes that the document hides have none. */
    operationId?: string;
    permission?: RoutePermission;
    /** What the audit log calls it, or null for what it leaves out; of every route that changes something. */
    audit?: string | null;
    /** The form of the lifecycle API instead of RFC 9457. */
    errorForm?: 'lifecycle';
    /** Answers also while the daemon starts. */
    whileStarting?: boolean;
  }
}

export interface Identification {
  transport: Transport;
  identities: Identities;
}

/** A role that the caller does not want to go beyond; a console that only looks on sends `viewer`. */
export const ROLE_HEADER = 'fathom-role';

/**
 * @throws FathomError `auth.required` for a token that is not valid, `request.invalid` for a role that there is not; null
 * when there is no token
 */
export async function identify(
  headers: IncomingHttpHeaders,
  identification: Identification,
): Promise<Caller | null> {
  const caller = await holderOf(headers.authorization, identification);
  const ceiling = headers[ROLE_HEADER];
  if (ceiling === undefined || caller === null) return caller;
  if (isRole(ceiling)) return { ...caller, ceiling };
  throw new FathomError('request.invalid', `${ROLE_HEADER}: needs to be one of ${ROLES.join(', ')}`);
}

async function holderOf(
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

/**
 * Checks the permission of the route before the body is read.
 *
 * @param hookToken authenticates the hooks of the global PocketBase
 * @throws FathomError `auth.required`, `auth.forbidden`; `not_found` for a hook route without the hook token
 */
export function authorise(request: FastifyRequest, hookToken: string): void {
  const { permission } = request.routeOptions.config;
  // A request without a route has no permission.
  if (permission === undefined || permission === 'public') return;
  if (permission === 'hook') {
    if (isHookToken(request.headers[HOOK_TOKEN_HEADER], hookToken)) return;
    throw new FathomError('not_found', 'not found');
  }
  const caller = requireCaller(request);
  if (scopeOf(caller, permission) !== null) return;
  const asked =
    caller.ceiling === undefined ? '' : `; this session asked for no more than a ${caller.ceiling} may do`;
  throw new FathomError('auth.forbidden', `this needs the permission ${permission}${asked}`);
}

/** Whether the caller sees what belongs to others. */
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

/** The route's own permission, on something of `owner`. @throws FathomError `auth.required`, `auth.forbidden` */
export function requireOwnerOrAll(request: FastifyRequest, owner: string | null): void {
  const { permission } = request.routeOptions.config;
  if (permission === undefined || permission === 'public' || permission === 'hook') return;
  requireScope(requireCaller(request), permission, owner);
}

/** The signed-in user's id. @throws FathomError `auth.required`, `conflict` on the local socket */
export function requireUserId(request: FastifyRequest): string {
  const caller = requireCaller(request);
  if (caller.kind === 'local') {
    throw new FathomError('conflict', 'the local socket is nobody in particular; sign in for this');
  }
  return caller.userId;
}
