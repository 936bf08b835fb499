import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import type { Page } from '../../shared/api/contract/page.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';

let fathom: Deployment;
let admin: string;

beforeAll(async () => {
  ({ fathom, admin } = await startedDeployment());
});

afterAll(() => fathom.dispose());

interface SessionRow {
  id: string;
  user_id: string;
  user_agent: string;
  address: string;
  current: boolean;
}

const api = <T = object>(method: string, path: string, token?: string, body?: unknown, headers = {}) =>
  call<T>(method, `${fathom.url}${path}`, { token, body, headers });
const statusOf = async (token: string) => (await api('GET', '/api/v1/me', token)).status;

describe('a session', () => {
  it('is renewed: the old token ends where the new one begins', async () => {
    const first = await signUp(fathom.url, 'renew@example.com');
    expect(await statusOf(first.token)).toBe(200);
    const { status, body } = await api<Session>('POST', '/api/v1/auth/refresh', first.token);
    expect(status).toBe(200);
    expect(body).toMatchObject({ user: first.user, database: { name: first.database.name } });
    expect(await statusOf(first.token)).toBe(401);
    expect(await statusOf(body.token)).toBe(200);
    expect((await api('POST', '/api/v1/auth/refresh', first.token)).status).toBe(401);
  });

  it('is limited to a role for good', async () => {
    const { email, password } = fathom.admin;
    const full = await signIn(fathom.url, email, password);
    const { user } = await signUp(fathom.url, 'limited@example.com');
    const change = (token: string, headers = {}) =>
      api('PATCH', `/api/v1/users/${user.id}`, token, { is_active: true }, headers);
    expect((await change(full.token)).status).toBe(200);
    const renewal = (token: string, body: object) =>
      api<Session>('POST', '/api/v1/auth/refresh', token, body);
    expect((await renewal(full.token, { role: 'root' })).status).toBe(400);
    const { body: limited } = await renewal(full.token, { role: 'viewer' });
    expect(await statusOf(full.token)).toBe(401);
    for (const headers of [{}, { 'fathom-role': 'admin' }])
      expect((await change(limited.token, headers)).status).toBe(403);
    expect((await api('GET', `/api/v1/users/${user.id}`, limited.token)).status).toBe(200);

    const { body: wider } = await renewal(limited.token, { role: 'admin' });
    expect((await change(wider.token)).status).toBe(403);
    const { body: made } = await api<{ key: string }>('POST', '/api/v1/api-keys', wider.token, { name: 'x' });
    expect((await change(made.key)).status).toBe(403);
    expect((await api('GET', `/api/v1/users/${user.id}`, made.key)).status).toBe(200);
    const { body: narrower } = await renewal(wider.token, { role: 'user' });
    expect((await api('GET', `/api/v1/users/${user.id}`, narrower.token)).status).toBe(403);
  });

  it('is renewed once, however many ask at the same time', async () => {
    const { token } = await signUp(fathom.url, 'race@example.com');
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => api<Session>('POST', '/api/v1/auth/refresh', token)),
    );
    const renewed = answers.filter(({ status }) => status === 200);
    expect(renewed).toHaveLength(1);
    expect(await statusOf(renewed[0]?.body.token ?? '')).toBe(200);
  });

  it('is not taken for ended where it cannot be looked up now', async () => {
    const { token } = await signUp(fathom.url, 'unread@example.com');
    using database = new DatabaseSync(join(fathom.dataDir, 'global', 'pb_data', 'data.db'), {
      timeout: 20_000,
    });
    database.exec('ALTER TABLE sessions RENAME TO sessions_elsewhere');
    const [looked, renewed] = [
      await api<Problem>('GET', '/api/v1/me', token),
      await api<Problem>('POST', '/api/v1/auth/refresh', token),
    ];
    database.exec('ALTER TABLE sessions_elsewhere RENAME TO sessions');
    for (const { body } of [looked, renewed]) {
      expect(body).toMatchObject({ status: 503, code: 'control_plane.unavailable' });
    }
    expect(await statusOf(token)).toBe(200);
  });

  it('ends by signing out, and no other with it', async () => {
    const [one, two] = [
      await signUp(fathom.url, 'out@example.com'),
      await signIn(fathom.url, 'out@example.com'),
    ];
    expect([await statusOf(one.token), await statusOf(two.token)]).toEqual([200, 200]);
    expect((await api('POST', '/api/v1/auth/logout', one.token)).status).toBe(204);
    expect([await statusOf(one.token), await statusOf(two.token)]).toEqual([401, 200]);
    expect((await api('POST', '/api/v1/auth/logout', one.token)).status).toBe(401);
  });

  it('is listed with where it was opened, and ended from another', async () => {
    const one = await signUp(fathom.url, 'list@example.com');
    const { body: two } = await api<Session>(
      'POST',
      '/api/v1/auth/login',
      undefined,
      { email: 'list@example.com', password: PASSWORD },
      { 'user-agent': 'A browser/1' },
    );
    const { body } = await api<Page<SessionRow>>('GET', '/api/v1/sessions', one.token);
    expect(body.total).toBe(2);
    expect(body.items.map(({ current }) => current)).toEqual([false, true]);
    expect(body.items[0]).toMatchObject({
      user_id: one.user.id,
      user_agent: 'A browser/1',
      address: '127.0.0.1',
    });
    expect(JSON.stringify(body)).not.toContain('hash');
    const stranger = await signUp(fathom.url, 'stranger@example.com');
    const path = `/api/v1/sessions/${body.items[0]?.id}`;
    expect((await api('DELETE', path, stranger.token)).status).toBe(404);
    expect((await api('GET', `/api/v1/sessions?user_id=${one.user.id}`, stranger.token)).status).toBe(403);
    expect(await statusOf(two.token)).toBe(200);
    expect((await api('DELETE', path, one.token)).status).toBe(204);
    expect(await statusOf(two.token)).toBe(401);
  });

  it('ends with all others by signing out everywhere', async () => {
    const tokens = [(await signUp(fathom.url, 'all@example.com')).token];
    for (let count = 0; count < 3; count += 1)
      tokens.push((await signIn(fathom.url, 'all@example.com')).token);
    for (const token of tokens) expect(await statusOf(token)).toBe(200);
    expect((await api('DELETE', '/api/v1/sessions', tokens[0])).status).toBe(204);
    for (const token of tokens) expect(await statusOf(token)).toBe(401);
  });

  it.each([
    [
      'deactivated by the API',
      (id: string) => api('PATCH', `/api/v1/users/${id}`, admin, { is_active: false }),
    ],
    [
      'deactivated at the global PocketBase',
      async (id: string) => (await controlPlane(fathom)).collection('users').update(id, { is_active: false }),
    ],
    [
      'given another password at the global PocketBase',
      async (id: string) =>
        (await controlPlane(fathom)).collection('users').update(id, {
          password: 'another-password',
          passwordConfirm: 'another-password',
        }),
    ],
    ['deleted by the API', (id: string) => api('DELETE', `/api/v1/users/${id}`, admin)],
    [
      'signed out by an administrator',
      (id: string) => api('DELETE', `/api/v1/sessions?user_id=${id}`, admin),
    ],
  ])('ends with the next request when its user is %s', async (what, change) => {
    const email = `${what.replaceAll(/\W/g, '-')}@example.com`;
    const session = await signUp(fathom.url, email);
    expect(await statusOf(session.token)).toBe(200);
    await change(session.user.id);
    expect(await statusOf(session.token)).toBe(401);
  });

  it('does not come back when its user is active again', async () => {
    const { token, user } = await signUp(fathom.url, 'back@example.com');
    for (const is_active of [false, true])
      await api('PATCH', `/api/v1/users/${user.id}`, admin, { is_active });
    expect(await statusOf(token)).toBe(401);
    expect(await statusOf((await signIn(fathom.url, 'back@example.com')).token)).toBe(200);
  });

  it('ends when its row is deleted by hand', async () => {
    const { token, user } = await signUp(fathom.url, 'row@example.com');
    expect(await statusOf(token)).toBe(200);
    const superuser = await controlPlane(fathom);
    const row = await superuser.collection('sessions').getFirstListItem(`user = '${user.id}'`);
    await superuser.collection('sessions').delete(row.id);
    expect(await statusOf(token)).toBe(401);
  });

  it('ends when its owner changes the password, and the old password opens nothing', async () => {
    const { token, user } = await signUp(fathom.url, 'own@example.com');
    const self = new PocketBase(fathom.globalUrl);
    await self.collection('users').authWithPassword('own@example.com', PASSWORD);
    await self.collection('users').update(user.id, {
      oldPassword: PASSWORD,
      password: 'another-password',
      passwordConfirm: 'another-password',
    });
    expect(await statusOf(token)).toBe(401);
    await expect(signIn(fathom.url, 'own@example.com')).rejects.toThrow('answered 401');
    expect(await statusOf((await signIn(fathom.url, 'own@example.com', 'another-password')).token)).toBe(200);
  });

  it('is nowhere kept in a form that opens anything', async () => {
    const { token } = await signUp(fathom.url, 'stored@example.com');
    const id = String(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())['jti']);
    const rows = await (await controlPlane(fathom)).collection('sessions').getFullList();
    expect(rows.length).toBeGreaterThan(0);
    for (const secret of [id, token]) expect(JSON.stringify(rows)).not.toContain(secret);
  });
});

describe('signing out and renewing', () => {
  it('are for those who signed in', async () => {
    for (const path of ['/api/v1/auth/refresh', '/api/v1/auth/logout']) {
      expect((await api('POST', path)).status).toBe(401);
    }
  });
});
