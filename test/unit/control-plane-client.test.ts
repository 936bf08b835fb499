import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ClientResponseError } from 'pocketbase';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeOpening, SessionRepository } from '../../daemon/accounts/sessions/session-repository.ts';
import { UserRepository } from '../../daemon/accounts/user-repository.ts';
import { ControlPlaneClient } from '../../daemon/control-plane/client.ts';
import { DatabaseRepository } from '../../daemon/databases/database-repository.ts';
import { textWith } from '../helpers/text-with.ts';

interface Reply {
  status: number;
  body?: unknown;
}

const SIGN_IN = '/api/collections/_superusers/auth-with-password';
/** Good until 2100, as far as the SDK can see. */
const TOKEN = `e30.${Buffer.from('{"exp":4102444800,"type":"auth"}').toString('base64url')}.x`;

/** A stand-in for the global PocketBase, so that it can refuse what the real one would not. */
async function stage(answer: (request: IncomingMessage, attempt: number) => Reply) {
  const seen: string[] = [];
  const attempts = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    const attempt = (attempts.get(path) ?? 0) + 1;
    attempts.set(path, attempt);
    seen.push(`${request.method} ${path}`);
    const signedIn = {
      status: 200,
      body: { token: TOKEN, record: { id: 'su', collectionName: '_superusers' } },
    };
    const { status, body } = path === SIGN_IN ? signedIn : answer(request, attempt);
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const client = new ControlPlaneClient({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    admin: { email: 'admin@example.com', password: 'x' },
    hookToken: 'hook',
    dataDir: null,
  });
  return { client, seen, server };
}

describe("the daemon's access to the global PocketBase", () => {
  it('signs in once for all who call at the same time, and says that it is the daemon', async () => {
    const headers: unknown[] = [];
    const { client, seen } = await stage((request) => {
      headers.push([request.headers['authorization'], request.headers['x-fathom-hook-token']]);
      return { status: 200 };
    });
    await Promise.all([1, 2, 3].map(() => client.call((pocketbase) => pocketbase.send('/api/x', {}))));
    expect(seen.filter((line) => line.includes(SIGN_IN))).toHaveLength(1);
    expect(headers).toEqual([1, 2, 3].map(() => [TOKEN, 'hook']));
  });

  it('signs in again, once, when its token is refused', async () => {
    const { client, seen } = await stage((_, attempt) => ({ status: attempt === 1 ? 401 : 200 }));
    await client.call((pocketbase) => pocketbase.send('/api/x', {}));
    expect(seen).toEqual([`POST ${SIGN_IN}`, 'GET /api/x', `POST ${SIGN_IN}`, 'GET /api/x']);

    const refusing = await stage(() => ({ status: 401 }));
    await expect(refusing.client.call((pocketbase) => pocketbase.send('/api/x', {}))).rejects.toBeInstanceOf(
      ClientResponseError,
    );
    expect(refusing.seen).toHaveLength(4);
  });

  it('says that the global PocketBase does not answer', async () => {
    const { client, server } = await stage(() => ({ status: 200 }));
    await new Promise((resolve) => server.close(resolve));
    const unavailable = { code: 'control_plane.unavailable', status: 503 };
    await expect(client.token()).rejects.toMatchObject(unavailable);
    await expect(client.call((pocketbase) => pocketbase.send('/api/x', {}))).rejects.toMatchObject(
      unavailable,
    );
    await expect(client.postAsUser('/api/x', {})).rejects.toMatchObject(unavailable);
  });
});

it('reports a full disk as the reason', async () => {
  const full = {
    message: 'Failed to update collection. Raw error: database or disk is full (13).',
    data: {},
  };
  const { client } = await stage(() => ({ status: 400, body: full }));
  await expect(client.post('/api/x', {})).rejects.toMatchObject({
    code: 'control_plane.unavailable',
    message: textWith('full'),
  });
});

it.each([400, 500])(
  'reports a control plane that fails itself with %i, in all repositories',
  async (status) => {
    const body = { status, message: 'Something went wrong while processing your request.', data: {} };
    const { client } = await stage(() => ({ status, body }));
    const session = { hash: 'h', user: 'u', user_agent: '', address: '', expiresAt: new Date(), limit: null };
    const failed = {
      code: 'control_plane.unavailable',
      status: 503,
      message: textWith('fathomd logs global'),
    };
    await expect(new SessionRepository(client).open(describeOpening(session))).rejects.toMatchObject(failed);
    await expect(new UserRepository(client).delete('abcdefghijklmno')).rejects.toMatchObject(failed);
    await expect(client.postAsUser('/api/x', {})).rejects.toMatchObject(failed);
  },
);

async function refuses(status: number, data: unknown = {}): Promise<ControlPlaneClient> {
  return (await stage(() => ({ status, body: { status, message: 'no', data } }))).client;
}

describe('what the global PocketBase refuses, in our words', () => {
  const account = { email: 'ann@example.com', password: 'a-good-password' };

  it('an address that is taken', async () => {
    const users = new UserRepository(
      await refuses(400, { email: { code: 'validation_not_unique', message: 'x' } }),
    );
    await expect(users.create(account)).rejects.toMatchObject({ code: 'auth.email_taken' });
  });

  it('values that are not valid, field by field', async () => {
    const users = new UserRepository(
      await refuses(400, { password: { code: 'validation_length', message: 'Too short.' } }),
    );
    await expect(users.create(account)).rejects.toMatchObject({
      code: 'request.invalid',
      fields: [{ path: 'password', message: 'Too short.' }],
    });
  });

  it('a password, and a user who is not there', async () => {
    for (const status of [400, 403]) {
      expect(await new UserRepository(await refuses(status)).authenticate('a@b.c', 'x')).toBeNull();
    }
    expect(await new UserRepository(await refuses(404)).find('abcdefghijklmno')).toBeNull();
  });

  it('a user with a database, which goes first', async () => {
    const users = new UserRepository(await refuses(400));
    await expect(users.delete('abcdefghijklmno')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('a database without a user, or for an account that may have none', async () => {
    const row = {
      user: 'x',
      username: 'x',
      day: '2024-01-15',
      applications: 'documents',
      superuser_secret: 's',
      port: 9000,
    };
    const request = { ...row, require_verified: false, max_databases: null };
    for (const [status, code] of [
      [404, 'not_found'],
      [403, 'conflict'],
    ] as const) {
      const databases = new DatabaseRepository(await refuses(status));
      await expect(databases.reserve(request)).rejects.toMatchObject({ code });
    }
  });

  it('never asks for what is no id, as it could lead to another path', async () => {
    const { client, seen } = await stage(() => ({ status: 200 }));
    for (const id of ['', '..', '../x', 'ABC', "x' || id != '"]) {
      expect(await new UserRepository(client).find(id)).toBeNull();
    }
    expect(seen).toEqual([]);
  });
});
