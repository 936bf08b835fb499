import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import type { Permission, Role } from '../accounts/permissions.ts';
import type { Identities } from '../accounts/sessions/identities.ts';
import {
  authorise,
  type Caller,
  identify,
  type RoutePermission,
  requireCaller,
  requireOwnerOrAll,
  requireUserId,
  seesAll,
} from './caller.ts';

const HOOK_TOKEN = 'the token of the hooks';
const REQUIRED = expect.objectContaining({ code: 'auth.required' }) as Error;
const FORBIDDEN = expect.objectContaining({ code: 'auth.forbidden' }) as Error;

const NOT_FOUND = expect.objectContaining({ code: 'not_found' }) as Error;

const local: Caller = { kind: 'local' };

function session(role: Role, permissions: Permission[] | null = null): Caller {
  return {
    kind: 'session',
    id: '1',
    userId: 'ann',
    role,
    expiresAt: null,
    permissions: permissions && new Set(permissions),
  };
}

function by(caller: Caller | null, permission?: RoutePermission, headers: object = {}): FastifyRequest {
  return { caller, headers, routeOptions: { config: { permission } } } as unknown as FastifyRequest;
}

describe('who makes a request', () => {
  const identities = { identify: () => Promise.resolve(session('user')) } as unknown as Identities;

  it('is nobody over TCP without a token, and an administrator over the local socket', async () => {
    expect(await identify({}, { transport: 'tcp', identities })).toBeNull();
    expect(await identify({}, { transport: 'socket', identities })).toEqual(local);
  });

  it('is whom the token names, on the socket as well', async () => {
    for (const transport of ['tcp', 'socket'] as const) {
      for (const header of ['Bearer token', 'bearer token']) {
        expect(await identify({ authorization: header }, { transport, identities })).toEqual(session('user'));
      }
    }
  });

  it.each([['Basic x'], ['Bearer'], ['Bearer '], ['token'], [''], ['Bearer a b']])(
    'is not told by %j',
    async (header) => {
      await expect(identify({ authorization: header }, { transport: 'tcp', identities })).rejects.toThrow(
        REQUIRED,
      );
    },
  );
});

describe('what a caller may do', () => {
  it('is asked before a route is entered', () => {
    expect(() => authorise(by(null, 'public'), HOOK_TOKEN)).not.toThrow();
    expect(() => authorise(by(null, 'users.write'), HOOK_TOKEN)).toThrow(REQUIRED);
    expect(() => authorise(by(session('user'), 'users.write'), HOOK_TOKEN)).toThrow(FORBIDDEN);
    expect(() => authorise(by(session('user'), 'users.read'), HOOK_TOKEN)).not.toThrow();
    expect(() => authorise(by(session('admin'), 'users.write'), HOOK_TOKEN)).not.toThrow();
    expect(() => authorise(by(local, 'users.write'), HOOK_TOKEN)).not.toThrow();
    expect(() => authorise(by(session('admin', ['users.read']), 'users.write'), HOOK_TOKEN)).toThrow(
      FORBIDDEN,
    );
  });

  it('includes the routes of hooks only with the hook token, and for no other caller', () => {
    for (const caller of [null, local, session('admin')]) {
      for (const given of [undefined, '', `${HOOK_TOKEN}x`, [HOOK_TOKEN, HOOK_TOKEN]]) {
        const request = by(caller, 'hook', { 'x-fathom-hook-token': given });
        expect(() => authorise(request, HOOK_TOKEN)).toThrow(NOT_FOUND);
      }
    }
    const request = by(null, 'hook', { 'x-fathom-hook-token': HOOK_TOKEN });
    expect(() => authorise(request, HOOK_TOKEN)).not.toThrow();
  });

  it('depends on whose it is', () => {
    const read = 'databases.read';
    expect(() => requireOwnerOrAll(by(session('user'), read), 'ann')).not.toThrow();
    expect(() => requireOwnerOrAll(by(session('user'), read), 'bob')).toThrow(FORBIDDEN);
    expect(() => requireOwnerOrAll(by(session('user'), read), null)).toThrow(FORBIDDEN);
    expect(() => requireOwnerOrAll(by(session('viewer'), read), 'bob')).not.toThrow();
    expect(() => requireOwnerOrAll(by(session('viewer'), 'databases.operate'), 'bob')).toThrow(FORBIDDEN);
    expect(() => requireOwnerOrAll(by(null, read), 'ann')).toThrow(REQUIRED);
  });

  it.each([
    [local, true],
    [session('admin'), true],
    [session('operator'), true],
    [session('viewer'), true],
    [session('user'), false],
    [session('admin', ['users.read']), false],
    [null, false],
  ])('%j sees all databases: %s', (caller, all) => {
    expect(seesAll(caller, 'databases.read')).toBe(all);
  });

  it('needs somebody in particular for what is about oneself', () => {
    expect(() => requireCaller(by(null))).toThrow(REQUIRED);
    expect(requireUserId(by(session('user')))).toBe('ann');
    expect(() => requireUserId(by(local))).toThrow(expect.objectContaining({ code: 'conflict' }) as Error);
  });
});
