import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import type { UserRepository } from '../control-plane/users.ts';
import type { Sessions } from '../security/sessions.ts';
import {
  type Caller,
  identify,
  isAdmin,
  requireAdmin,
  requireCaller,
  requireSelfOrAdmin,
  requireUserId,
} from './caller.ts';

const expiresAt = new Date('2024-01-15T10:00:00Z');

function identification(transport: 'tcp' | 'socket', user: { role: string; is_active: boolean } | null) {
  return {
    transport,
    sessions: {
      verify: () => Promise.resolve({ userId: 'ann', role: 'admin', sessionId: '1', expiresAt }),
    } as unknown as Sessions,
    users: { find: (id: string) => Promise.resolve(user && { id, ...user }) } as unknown as UserRepository,
  };
}

const REQUIRED = expect.objectContaining({ code: 'auth.required' }) as Error;
const FORBIDDEN = expect.objectContaining({ code: 'auth.forbidden' }) as Error;

describe('who makes a request', () => {
  it('is nobody over TCP without a token, and an administrator over the local socket', async () => {
    expect(await identify(undefined, identification('tcp', null))).toBeNull();
    expect(await identify(undefined, identification('socket', null))).toEqual({ kind: 'local' });
  });

  it('is whom the token names, with the role that the account has now', async () => {
    const known = identification('tcp', { role: 'user', is_active: true });
    const caller = { kind: 'session', userId: 'ann', role: 'user', expiresAt };
    expect(await identify('Bearer token', known)).toEqual(caller);
    expect(await identify('bearer token', known)).toEqual(caller);
    // A token counts on the socket as well: whoever sends one means to be that user.
    expect(await identify('Bearer token', { ...known, transport: 'socket' })).toEqual(caller);
  });

  it.each([['Basic x'], ['Bearer'], ['Bearer '], ['token'], ['']])('is not told by %j', async (header) => {
    await expect(identify(header, identification('tcp', { role: 'user', is_active: true }))).rejects.toThrow(
      REQUIRED,
    );
  });

  it('is nobody when the account is gone or not active', async () => {
    for (const user of [null, { role: 'admin', is_active: false }]) {
      await expect(identify('Bearer token', identification('tcp', user))).rejects.toThrow(REQUIRED);
    }
  });
});

function by(caller: Caller | null): FastifyRequest {
  return { caller } as FastifyRequest;
}

function session(role: string): Caller {
  return { kind: 'session', userId: 'ann', role, expiresAt };
}

describe('what a caller may do', () => {
  const local: Caller = { kind: 'local' };

  it.each([
    [local, true],
    [session('admin'), true],
    [session('operator'), false],
    [session('user'), false],
    [null, false],
  ])('%j is an administrator: %s', (caller, admin) => {
    expect(isAdmin(caller)).toBe(admin);
  });

  it('depends on who it is', () => {
    expect(() => requireCaller(by(null))).toThrow(REQUIRED);
    expect(() => requireAdmin(by(null))).toThrow(REQUIRED);
    expect(() => requireAdmin(by(session('user')))).toThrow(FORBIDDEN);
    expect(() => requireAdmin(by(local))).not.toThrow();
    expect(() => requireSelfOrAdmin(by(session('user')), 'ann')).not.toThrow();
    expect(() => requireSelfOrAdmin(by(session('user')), 'bob')).toThrow(FORBIDDEN);
    expect(() => requireSelfOrAdmin(by(session('admin')), 'bob')).not.toThrow();
    expect(() => requireSelfOrAdmin(by(null), 'ann')).toThrow(REQUIRED);
    expect(requireUserId(by(session('user')))).toBe('ann');
    expect(() => requireUserId(by(local))).toThrow('the local socket is nobody in particular');
  });
});
