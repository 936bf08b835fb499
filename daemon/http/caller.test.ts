import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import {
  limitingRoles,
  type Permission,
  type Role,
  scopeOf,
  withoutWiderRoles,
} from '../accounts/permissions.ts';
import type { Identities } from '../accounts/sessions/identities.ts';
import {
  authorise,
  type Caller,
  identifyCaller,
  type RoutePermission,
  requireCaller,
  requireOwnerOrAll,
  requireUserId,
  seesAll,
} from './caller.ts';

const HOOK_TOKEN = 'the token of the hooks';
const EDGE_TOKEN = 'the token of the proxy';
const TOKENS = { hookToken: HOOK_TOKEN, edgeToken: EDGE_TOKEN };
const REQUIRED = expect.objectContaining({ code: 'auth.required' }) as Error;
const FORBIDDEN = expect.objectContaining({ code: 'auth.forbidden' }) as Error;
const CONFLICT = expect.objectContaining({ code: 'conflict' }) as Error;
const NOT_FOUND = expect.objectContaining({ code: 'not_found' }) as Error;

const local: Caller = { kind: 'local' };

function session(role: Role): Caller {
  return { kind: 'session', id: '1', userId: 'ann', role, expiresAt: null, key: null };
}

function apiKey(role: Role, permissions: Permission[], roles: Role[] = [role]): Caller {
  const key = { permissions: new Set(permissions), roles, owners: ['ann'] };
  return { kind: 'key', id: '1', userId: 'ann', role, expiresAt: null, key };
}

function by(caller: Caller | null, permission?: RoutePermission, headers: object = {}): FastifyRequest {
  return { caller, headers, routeOptions: { config: { permission } } } as unknown as FastifyRequest;
}

describe('identifyCaller', () => {
  const identities = { identify: () => Promise.resolve(session('user')) } as unknown as Identities;

  it('returns null over TCP without a token, and an administrator over the local socket', async () => {
    expect(await identifyCaller({}, { transport: 'tcp', identities })).toBeNull();
    expect(await identifyCaller({}, { transport: 'socket', identities })).toEqual(local);
  });

  it('returns the holder of the token, also on the local socket', async () => {
    for (const transport of ['tcp', 'socket'] as const) {
      for (const header of ['Bearer token', 'bearer token']) {
        expect(await identifyCaller({ authorization: header }, { transport, identities })).toEqual(
          session('user'),
        );
      }
    }
  });

  it.each([['Basic x'], ['Bearer'], ['Bearer '], ['token'], [''], ['Bearer a b']])(
    'rejects the Authorization header %j',
    async (header) => {
      await expect(
        identifyCaller({ authorization: header }, { transport: 'tcp', identities }),
      ).rejects.toThrow(REQUIRED);
    },
  );
});

describe('permissions of a caller', () => {
  it('are checked before the route runs', () => {
    expect(() => authorise(by(null, 'public'), TOKENS)).not.toThrow();
    expect(() => authorise(by(null, 'users.write'), TOKENS)).toThrow(REQUIRED);
    expect(() => authorise(by(session('user'), 'users.write'), TOKENS)).toThrow(FORBIDDEN);
    expect(() => authorise(by(session('user'), 'users.read'), TOKENS)).not.toThrow();
    expect(() => authorise(by(session('admin'), 'users.write'), TOKENS)).not.toThrow();
    expect(() => authorise(by(local, 'users.write'), TOKENS)).not.toThrow();
    expect(() => authorise(by(apiKey('admin', ['users.read']), 'users.write'), TOKENS)).toThrow(FORBIDDEN);
  });

  it('do not include the routes of hooks without the hook token', () => {
    for (const caller of [null, local, session('admin')]) {
      for (const given of [undefined, '', `${HOOK_TOKEN}x`, [HOOK_TOKEN, HOOK_TOKEN]]) {
        const request = by(caller, 'hook', { 'x-fathom-hook-token': given });
        expect(() => authorise(request, TOKENS)).toThrow(NOT_FOUND);
      }
    }
    const request = by(null, 'hook', { 'x-fathom-hook-token': HOOK_TOKEN });
    expect(() => authorise(request, TOKENS)).not.toThrow();
  });

  it('do not include the routes of the edge without its token', () => {
    const tokens = [undefined, '', `${EDGE_TOKEN}x`, HOOK_TOKEN, [EDGE_TOKEN, EDGE_TOKEN]];
    for (const caller of [null, local, session('admin')]) {
      for (const given of tokens) {
        const request = by(caller, 'edge', { 'fathom-edge-token': given });
        expect(() => authorise(request, TOKENS)).toThrow(REQUIRED);
      }
    }
    const request = by(null, 'edge', { 'fathom-edge-token': EDGE_TOKEN });
    expect(() => authorise(request, TOKENS)).not.toThrow();
    expect(() => authorise(request, { ...TOKENS, edgeToken: null })).toThrow(REQUIRED);
    const empty = by(null, 'edge', { 'fathom-edge-token': '' });
    expect(() => authorise(empty, { ...TOKENS, edgeToken: null })).toThrow(REQUIRED);
  });

  it('depend on the owner', () => {
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
    [apiKey('admin', ['users.read']), false],
    [apiKey('admin', ['databases.read']), true],
    [apiKey('admin', ['databases.read'], ['user']), false],
    [apiKey('user', ['databases.read'], ['admin']), false],
    [{ ...session('admin'), ceiling: 'user' as const }, false],
    [null, false],
  ])('%j sees all databases: %s', (caller, all) => {
    expect(seesAll(caller, 'databases.read')).toBe(all);
  });

  it('of a key are those that every role in it and the role of its user allow', () => {
    const operate = 'databases.operate';
    expect(scopeOf(apiKey('admin', [operate]), operate)).toBe('all');
    expect(scopeOf(apiKey('admin', [operate], ['user']), operate)).toBe('own');
    expect(scopeOf(apiKey('admin', [operate], ['user', 'viewer']), operate)).toBeNull();
    expect(scopeOf({ ...apiKey('admin', [operate]), ceiling: 'user' }, operate)).toBe('own');
    expect(limitingRoles({ ...apiKey('admin', [], ['operator']), ceiling: 'user' })).toEqual([
      'admin',
      'operator',
      'user',
    ]);
    expect(limitingRoles(local)).toEqual(['admin']);
  });

  it('depend only on the narrower one of two roles', () => {
    expect(withoutWiderRoles(['admin', 'user', 'admin'])).toEqual(['user']);
    expect(withoutWiderRoles(['operator', 'viewer'])).toEqual(['viewer']);
    // A user may operate its own database, a viewer sees all of them.
    expect(withoutWiderRoles(['user', 'viewer'])).toEqual(['user', 'viewer']);
    expect(withoutWiderRoles(['admin'])).toEqual(['admin']);
  });

  it('do not include routes about the own account on the local socket', () => {
    expect(() => requireCaller(by(null))).toThrow(REQUIRED);
    expect(requireUserId(by(session('user')))).toBe('ann');
    expect(() => requireUserId(by(local))).toThrow(CONFLICT);
  });
});
