import type { FastifyRequest } from 'fastify';
import { FathomError } from '../../shared/errors.ts';
import type { UserRepository } from '../control-plane/users.ts';
import type { Sessions } from '../security/sessions.ts';

/** Who makes a request: whoever can open the local socket is an administrator, as with the Docker socket. */
export type Caller = { kind: 'local' } | { kind: 'session'; userId: string; role: string; expiresAt: Date };

export type Transport = 'tcp' | 'socket';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
  }
}

export interface Identification {
  transport: Transport;
  sessions: Sessions;
  users: UserRepository;
}

/** @throws FathomError `auth.required` for a token that is not valid; null when there is none */
export async function identify(
  authorization: string | undefined,
  { transport, sessions, users }: Identification,
): Promise<Caller | null> {
  if (authorization === undefined) return transport === 'socket' ? { kind: 'local' } : null;
  const [scheme, token] = authorization.split(' ');
  if (scheme?.toLowerCase() !== 'bearer' || !token) {
    throw new FathomError('auth.required', "the Authorization header must read 'Bearer <token>'");
  }
  const claims = await sessions.verify(token);
  // The token says who; what they may do is asked anew, so that a change of role counts at once.
  const user = await users.find(claims.userId);
  if (!user?.is_active) throw new FathomError('auth.required', 'this account is not active');
  return { kind: 'session', userId: user.id, role: user.role, expiresAt: claims.expiresAt };
}

export function isAdmin(caller: Caller | null): boolean {
  return caller?.kind === 'local' || caller?.role === 'admin';
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

/** @throws FathomError `auth.required`, `auth.forbidden` */
export function requireAdmin(request: FastifyRequest): void {
  if (!isAdmin(requireCaller(request)))
    throw new FathomError('auth.forbidden', 'only administrators may do this');
}

/** The user itself or an administrator. @throws FathomError `auth.required`, `auth.forbidden` */
export function requireSelfOrAdmin(request: FastifyRequest, userId: string): void {
  const caller = requireCaller(request);
  if (isAdmin(caller) || (caller.kind === 'session' && caller.userId === userId)) return;
  throw new FathomError('auth.forbidden', 'only this user and administrators may do this');
}

/** The signed-in user's id. @throws FathomError `auth.required`, `conflict` on the local socket */
export function requireUserId(request: FastifyRequest): string {
  const caller = requireCaller(request);
  if (caller.kind !== 'session') {
    throw new FathomError('conflict', 'the local socket is nobody in particular; sign in for this');
  }
  return caller.userId;
}
