import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { ApiKey } from '../../shared/api/accounts/api-keys.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';

type Key = ApiKey & { key: string };

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
/** Its account does not change. */
let ann: Session;

beforeAll(async () => {
  ({ fathom, daemon, admin } = await startedDeployment());
  ann = await signUp(fathom.url, 'ann@example.com');
});

afterAll(() => fathom.dispose());

const api = <T = object>(method: string, path: string, token?: string, body?: unknown) =>
  call<T>(method, `${fathom.url}/api/v1${path}`, { token, body });

const statusOf = async (token: string) => (await api('GET', '/me', token)).status;

async function makeKey(token: string, body: object = {}): Promise<Key> {
  const answer = await api<Key>('POST', '/api-keys', token, { name: 'k', ...body });
  expect(answer.status).toBe(201);
  return answer.body;
}

/** A key, the key that it made, and so on. */
async function makeChain(token: string, length: number): Promise<Key[]> {
  const chain: Key[] = [];
  for (let maker = token; chain.length < length; ) {
    const key = await makeKey(maker);
    chain.push(key);
    maker = key.key;
  }
  return chain;
}

async function expectStatuses(keys: readonly Key[], statuses: readonly number[]): Promise<void> {
  expect(await Promise.all(keys.map(({ key }) => statusOf(key)))).toEqual(statuses);
}

const inFuture = (ms: number) => new Date(Date.now() + ms).toISOString();
const revoke = (id: string) => api('DELETE', `/api-keys/${id}`, admin);
const listedIds = async () => {
  const { body } = await api<{ items: ApiKey[] }>('GET', '/api-keys?per_page=500', admin);
  return body.items.map(({ id }) => id);
};

/** Writes to the global database directly, without any hook of PocketBase. */
function writeRow(statement: string, ...values: string[]): void {
  const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  const database = new DatabaseSync(file, { timeout: 5000 });
  database.prepare(statement).run(...values);
  database.close();
}

/** Waits for the close code of a stream that is open with the ticket. */
async function openStream(ticket: string): Promise<{ closed: Promise<number> } | { refused: string }> {
  const socket = new WebSocket(`${fathom.url.replace('http', 'ws')}/ws?ticket=${ticket}`, 'fathom.v1');
  const closed = new Promise<number>((resolve) => {
    socket.once('close', resolve);
  });
  return new Promise((resolve) => {
    socket.once('open', () => resolve({ closed }));
    socket.once('error', ({ message }) => resolve({ refused: message }));
  });
}

describe('a key that a key made', () => {
  it('ends when any key before it is revoked, and is deleted with it', async () => {
    const chain = await makeChain(ann.token, 4);
    expect(chain.map(({ parent_id }) => parent_id)).toEqual([null, ...chain.slice(0, 3).map(({ id }) => id)]);
    await expectStatuses(chain, [200, 200, 200, 200]);
    expect((await revoke(chain[1]?.id ?? '')).status).toBe(204);
    await expectStatuses(chain, [200, 401, 401, 401]);
    const left = await listedIds();
    expect(chain.map(({ id }) => left.includes(id))).toEqual([true, false, false, false]);
  });

  it('never expires after the key before it', async () => {
    const parent = await makeKey(ann.token, { expires_at: inFuture(3_600_000) });
    const later = { name: 'x', expires_at: inFuture(7_200_000) };
    expect(await api('POST', '/api-keys', parent.key, later)).toMatchObject({
      status: 400,
      body: { code: 'request.invalid' },
    });
    for (const never of [null, '', '9999-12-31T23:59:59Z', '+275760-09-13T00:00:00.000Z']) {
      const answer = await api('POST', '/api-keys', parent.key, { name: 'x', expires_at: never });
      expect(answer.status, String(never)).toBe(400);
    }
    const child = await makeKey(parent.key);
    expect(child.expires_at).toBe(parent.expires_at);
    expect((await makeKey(parent.key, { expires_at: inFuture(60_000) })).parent_id).toBe(parent.id);
  });

  it('expires when the end of the key before it is moved forward by hand', async () => {
    const chain = await makeChain(ann.token, 3);
    const rows = (await controlPlane(fathom)).collection('api_keys');
    await rows.update(chain[0]?.id ?? '', { expires_at: '2020-01-01 00:00:00.000Z' });
    await expectStatuses(chain, [401, 401, 401]);
  });

  it('ends with a key of another user that made it, in every way that this key can end', async () => {
    const ways: [string, (maker: Session) => Promise<unknown>][] = [
      ['a new password', ({ user }) => setPassword(user.id)],
      ['another role', ({ user }) => api('PATCH', `/users/${user.id}`, admin, { role: 'viewer' })],
      ['a locked account', ({ user }) => api('PATCH', `/users/${user.id}`, admin, { is_active: false })],
      ['sign-out everywhere', ({ token }) => api('DELETE', '/sessions', token)],
      ['deletion', ({ user }) => api('DELETE', `/users/${user.id}`, admin)],
    ];
    for (const [index, [what, end]] of ways.entries()) {
      const email = `second-admin-${index}@example.com`;
      await fathom.client.users.add({ email, password: PASSWORD, role: 'admin' });
      const maker = await signIn(fathom.url, email);
      const parent = await makeKey(maker.token);
      const child = await makeKey(parent.key, { user_id: ann.user.id });
      const grandchild = await makeKey(child.key);
      await expectStatuses([parent, child, grandchild], [200, 200, 200]);
      expect((await api<Session['user']>('GET', '/me', child.key)).body.id).toBe(ann.user.id);
      await end(maker);
      expect([what, await statusOf(child.key), await statusOf(grandchild.key)]).toEqual([what, 401, 401]);
    }
  });

  it('has no way back when the row of the key before it is deleted in the file', async () => {
    const chain = await makeChain(ann.token, 3);
    writeRow('DELETE FROM api_keys WHERE id = ?', chain[0]?.id ?? '');
    // The daemon remembers the keys that were used before this for half a minute.
    await expectStatuses(chain.slice(2), [401]);
    const circle = await makeChain(ann.token, 2);
    writeRow('UPDATE api_keys SET parent = ? WHERE id = ?', circle[1]?.id ?? '', circle[0]?.id ?? '');
    await expectStatuses(circle.slice(1), [401]);
  });

  it('is made only a few times in a row', async () => {
    const chain = await makeChain(ann.token, 5);
    expect(await api('POST', '/api-keys', chain[4]?.key, { name: 'x' })).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
  });

  it('cannot name its own parent or roles', async () => {
    const key = await makeKey(ann.token);
    for (const more of [{ parent: '' }, { parent_id: null }, { roles: ['admin'] }, { role: 'admin' }]) {
      expect((await api('POST', '/api-keys', key.key, { name: 'x', ...more })).status).toBe(400);
    }
  });
});

async function setPassword(id: string): Promise<void> {
  const password = 'another-good-password';
  await (await controlPlane(fathom)).collection('users').update(id, { password, passwordConfirm: password });
}

describe('a key never grows', () => {
  it('with the role of its user, not even without the hook that ends it', async () => {
    const eve = await signUp(fathom.url, 'eve@example.com');
    const key = await makeKey(eve.token);
    expect(key.roles).toEqual(['user']);
    writeRow("UPDATE users SET role = 'admin' WHERE id = ?", eve.user.id);
    const listed = await api<{ items: { name: string }[] }>('GET', '/databases', key.key);
    expect(listed.body.items.map(({ name }) => name)).toEqual([eve.database.name]);
    for (const [method, path] of [
      ['GET', `/databases/${ann.database.name}`],
      ['POST', `/databases/${ann.database.name}/stop`],
      ['GET', `/users/${ann.user.id}`],
      ['GET', '/users'],
      ['DELETE', `/sessions?user_id=${ann.user.id}`],
    ] as const) {
      expect((await api(method, path, key.key)).status, `${method} ${path}`).toBe(403);
    }
  });

  it('past what a read-only or confined caller could do that made it', async () => {
    const headers = { 'fathom-role': 'user' };
    const made = await call<Key>('POST', `${fathom.url}/api/v1/api-keys`, {
      token: admin,
      headers,
      body: { name: 'confined' },
    });
    expect(made.status).toBe(201);
    expect(made.body.roles).toEqual(['user']);
    // An administrator owns no database, and this key sees only what it owns.
    const { body } = await api<{ items: object[] }>('GET', '/databases', made.body.key);
    expect(body.items).toEqual([]);
    expect((await api('GET', '/users', made.body.key)).status).toBe(403);
    const child = await makeKey(made.body.key);
    expect(child.roles).toEqual(['user']);
  });

  it('without a role, it is refused', async () => {
    for (const roles of ['null', '[]', '["root"]', '{}', '"admin"', '']) {
      const key = await makeKey(ann.token);
      writeRow('UPDATE api_keys SET roles = ? WHERE id = ?', roles, key.id);
      expect(await statusOf(key.key), roles).toBe(401);
    }
  });
});

describe('nothing outlives the key that made it', () => {
  it('tickets and streams end with the key, and with the key before it', async () => {
    const [parent, child] = (await makeChain(ann.token, 2)) as [Key, Key];
    const ticketOf = async (key: Key) =>
      (await api<{ ticket: string }>('POST', '/ws-ticket', key.key)).body.ticket;
    const open = await openStream(await ticketOf(child));
    const unused = await ticketOf(child);
    await revoke(parent.id);
    expect('closed' in open && (await open.closed)).toBe(1008);
    expect(await openStream(unused)).toEqual({ refused: expect.stringContaining('401') as string });
  });

  it('a ticket does not open a stream after the key has expired', async () => {
    const key = await makeKey(ann.token, { expires_at: inFuture(60_000) });
    const { body } = await api<{ ticket: string }>('POST', '/ws-ticket', key.key);
    writeRow('UPDATE api_keys SET expires_at = ? WHERE id = ?', '2020-01-01 00:00:00.000Z', key.id);
    expect(await openStream(body.ticket)).toEqual({ refused: expect.stringContaining('401') as string });
  });

  it('a key gets no session and no token of a database', async () => {
    const { key } = await makeKey(ann.token);
    for (const path of ['/auth/refresh', '/auth/logout']) {
      expect(await api('POST', path, key)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    }
    expect((await api('POST', '/auth/exchange', undefined, { token: key })).status).toBe(401);
    for (const path of [
      '/me',
      '/me/database',
      '/databases',
      `/databases/${ann.database.name}`,
      '/sessions',
    ]) {
      const { status, body } = await api('GET', path, key);
      expect(status, path).toBe(200);
      expect(JSON.stringify(body), path).not.toContain('eyJ');
    }
  });
});

describe('keys of an earlier release', () => {
  it('keep working, limited to the role that their user has at the upgrade', async () => {
    const key = await makeKey(ann.token);
    const superuser = await controlPlane(fathom);
    const { fields, indexes } = await superuser.collections.getOne('api_keys');
    await superuser.collections.update('api_keys', {
      fields: fields.filter(({ name }) => name !== 'parent' && name !== 'roles'),
      indexes: indexes.filter((index) => !index.includes('parent')),
    });
    writeRow('DELETE FROM _migrations WHERE file LIKE ?', '%_api_key_limits.js');
    await daemon.stop();
    daemon = await fathom.start();
    expect(await statusOf(key.key)).toBe(200);
    const { body } = await api<{ items: ApiKey[] }>('GET', '/api-keys?per_page=500', ann.token);
    expect(body.items.find(({ id }) => id === key.id)).toMatchObject({ roles: ['user'], parent_id: null });
    expect((await makeKey(key.key)).parent_id).toBe(key.id);
  });
});
