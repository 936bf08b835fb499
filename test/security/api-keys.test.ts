import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Deployment } from '../helpers/deployment.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

interface Key {
  id: string;
  key: string;
  prefix: string;
  permissions: string[];
  last_used_at: string | null;
}

let fathom: Deployment;
let admin: string;
let ann: Session;

beforeAll(async () => {
  ({ fathom, admin } = await startedDeployment());
  ann = await signUp(fathom.url, 'ann@example.com');
});

afterAll(() => fathom.dispose());

const api = <T = object>(method: string, path: string, token: string, body?: unknown) =>
  call<T>(method, `${fathom.url}/api/v1${path}`, { token, body });

async function makeKey(token: string, body: object): Promise<Key> {
  const answer = await api<Key>('POST', '/api-keys', token, body);
  expect(answer.status).toBe(201);
  return answer.body;
}

/** The close code, or the status of the refusal. */
function stream(token: string): { opened: Promise<void>; closed: Promise<number> } {
  const socket = new WebSocket(`${fathom.url.replace('http', 'ws')}/ws`, 'fathom.v1', {
    headers: { authorization: `Bearer ${token}` },
  });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const closed = new Promise<number>((resolve) => {
    socket.once('close', resolve);
  });
  return { opened, closed };
}

describe('an API key', () => {
  it('is shown once, and stored as a hash', async () => {
    const made = await makeKey(ann.token, { name: 'backup' });
    expect(made.key).toMatch(new RegExp(`^fk_${made.prefix}_[A-Za-z0-9]{44}$`));
    expect((await api('GET', '/me', made.key)).body).toEqual(ann.user);
    const listed = await api('GET', '/api-keys', ann.token);
    const stored = await (await controlPlane(fathom)).collection('api_keys').getFullList();
    for (const shown of [listed.body, stored]) {
      expect(JSON.stringify(shown)).toContain(made.prefix);
      expect(JSON.stringify(shown)).not.toContain(made.key.split('_')[2]);
    }
  });

  it('does what it was made for, and nothing else', async () => {
    const made = await makeKey(admin, { name: 'look', permissions: ['databases.read'] });
    expect((await api('GET', '/databases', made.key)).status).toBe(200);
    expect((await api('GET', '/users', made.key)).status).toBe(403);
    expect((await api('POST', `/databases/${ann.database.name}/stop`, made.key)).status).toBe(403);
    await expect(stream(made.key).opened).rejects.toThrow('403');
  });

  it('cannot be given, nor give on, what its maker does not have', async () => {
    const stolen = { name: 'x', permissions: ['users.write'] };
    expect((await api('POST', '/api-keys', ann.token, stolen)).status).toBe(403);
    const confined = await makeKey(admin, { name: 'k', permissions: ['api-keys.write', 'users.read'] });
    expect((await api('POST', '/api-keys', confined.key, stolen)).status).toBe(403);
    const child = await makeKey(confined.key, { name: 'child' });
    expect(child.permissions.toSorted()).toEqual(['api-keys.write', 'users.read']);
    const forOther = { name: 'x', user_id: ann.user.id };
    const bob = await signUp(fathom.url, 'bob@example.com');
    expect((await api('POST', '/api-keys', bob.token, forOther)).status).toBe(403);
  });

  it('that ends sessions ends no keys without the permission for those', async () => {
    const cara = await signUp(fathom.url, 'cara@example.com');
    const few = await makeKey(cara.token, { name: 'few', permissions: ['sessions.end'] });
    expect((await api('DELETE', '/sessions', few.key)).status).toBe(403);
    expect((await api('GET', '/me', cara.token)).status).toBe(200);
    expect((await api('DELETE', '/sessions?keys=false', few.key)).status).toBe(204);
    expect((await api('GET', '/me', cara.token)).status).toBe(401);
    const again = await signIn(fathom.url, 'cara@example.com');
    const both = await makeKey(again.token, {
      name: 'both',
      permissions: ['sessions.end', 'api-keys.write'],
    });
    expect((await api('DELETE', '/sessions', both.key)).status).toBe(204);
    expect((await api('DELETE', '/sessions', few.key)).status).toBe(401);
  });

  it('is refused from the moment it is revoked, on HTTP and on the stream', async () => {
    const made = await makeKey(ann.token, { name: 'short' });
    const { opened, closed } = stream(made.key);
    await opened;
    expect((await api('GET', '/me', made.key)).status).toBe(200);
    const bob = await signIn(fathom.url, 'bob@example.com');
    expect((await api('DELETE', `/api-keys/${made.id}`, bob.token)).status).toBe(404);
    expect((await api('DELETE', `/api-keys/${made.id}`, ann.token)).status).toBe(204);
    expect((await api('GET', '/me', made.key)).status).toBe(401);
    expect(await closed).toBe(1008);
    await expect(stream(made.key).opened).rejects.toThrow('401');
  });

  it('expires', async () => {
    const past = { name: 'x', expires_at: '2020-01-01T00:00:00Z' };
    expect((await api('POST', '/api-keys', ann.token, past)).status).toBe(400);
    const made = await makeKey(ann.token, {
      name: 'y',
      expires_at: new Date(Date.now() + 60_000).toISOString(),
    });
    expect((await api('GET', '/me', made.key)).status).toBe(200);
    const superuser = await controlPlane(fathom);
    await superuser.collection('api_keys').update(made.id, { expires_at: '2020-01-01 00:00:00.000Z' });
    expect((await api('GET', '/me', made.key)).status).toBe(401);
  });

  it('tells when it was last used', async () => {
    const made = await makeKey(ann.token, { name: 'used' });
    expect(made.last_used_at).toBeNull();
    await api('GET', '/me', made.key);
    await until(
      async () => {
        const { body } = await api<{ items: Key[] }>('GET', '/api-keys', ann.token);
        return body.items.find(({ id }) => id === made.id)?.last_used_at;
      },
      { what: 'the use to be written down' },
    );
  });

  it('ends with its user, and is neither guessed nor bent', async () => {
    const made = await makeKey(ann.token, { name: 'z' });
    const other = made.key.endsWith('A') ? 'B' : 'A';
    for (const wrong of [
      `${made.key.slice(0, -1)}${other}`,
      `${made.key}x`,
      made.key.slice(0, -1),
      'fk__',
      'fk_',
    ]) {
      expect((await api('GET', '/me', wrong)).status, wrong).toBe(401);
    }
    await api('PATCH', `/users/${ann.user.id}`, admin, { is_active: false });
    expect((await api('GET', '/me', made.key)).status).toBe(401);
  });
});

describe('the stream', () => {
  it('closes when the session ends, is signed out elsewhere, or the role changes', async () => {
    const session = await signUp(fathom.url, 'watch@example.com');
    const other = await signIn(fathom.url, 'watch@example.com');
    for (const [token, end] of [
      [session.token, () => api('POST', '/auth/logout', session.token)],
      [other.token, () => api('PATCH', `/users/${session.user.id}`, admin, { role: 'viewer' })],
    ] as const) {
      const { opened, closed } = stream(token);
      await opened;
      await end();
      expect(await closed).toBe(1008);
    }
  });

  it('is open for one account so many times, and no more', async () => {
    const { token } = await signUp(fathom.url, 'many@example.com');
    await Promise.all(Array.from({ length: 20 }, () => stream(token).opened));
    await expect(stream(token).opened).rejects.toThrow('429');
    await expect(stream(admin).opened).resolves.toBeUndefined();
  });

  it('takes a ticket once', async () => {
    const { body } = await api<{ ticket: string }>('POST', '/ws-ticket', admin);
    const open = () =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(
          `${fathom.url.replace('http', 'ws')}/ws?ticket=${body.ticket}`,
          'fathom.v1',
        );
        socket.once('open', () => {
          socket.close();
          resolve('open');
        });
        socket.once('error', (error) => resolve(error.message));
      });
    expect(await open()).toBe('open');
    expect(await open()).toContain('401');
  });
});
