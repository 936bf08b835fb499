import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  decodeJwt,
  decodeProtectedHeader,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from 'jose';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signUp } from '../helpers/http-call.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let ann: Session;
let bob: Session;
let secret: Uint8Array;

beforeAll(async () => {
  ({ fathom, daemon, admin } = await startedDeployment());
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
  secret = new TextEncoder().encode(fathom.env['JWT_SECRET']);
});

afterAll(() => fathom.dispose());

const me = async (token: string) => (await call('GET', `${fathom.url}/api/v1/me`, { token })).status;
const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The administrator's own session token, with changes; default: signed with the daemon's own key. */
async function forge(
  changes: { header?: object; payload?: JWTPayload; without?: string; key?: Uint8Array } = {},
): Promise<string> {
  const payload = { ...decodeJwt(admin), ...changes.payload };
  if (changes.without !== undefined) delete payload[changes.without];
  const header = { ...decodeProtectedHeader(admin), ...changes.header } as { alg: string };
  return new SignJWT(payload).setProtectedHeader(header).sign(changes.key ?? secret);
}

describe('a forged token opens nothing', () => {
  const nowS = Math.floor(Date.now() / 1000);

  it('the forgery is good where nothing is wrong with it', async () => {
    expect(await me(await forge())).toBe(200);
  });

  const forgeries: [string, () => Promise<string>][] = [
    ['HS512 for HS256', () => forge({ header: { alg: 'HS512' } })],
    ['another key', () => forge({ key: new TextEncoder().encode('k'.repeat(64)) })],
    [
      "another deployment's key with its own id",
      () => forge({ key: new Uint8Array(64), header: { kid: 'deadbeef' } }),
    ],
    [
      'a key id that is a path',
      () => forge({ header: { kid: '../../../../dev/null' }, key: new Uint8Array(32) }),
    ],
    ['another type', () => forge({ header: { typ: 'JWT' } })],
    ['expired', () => forge({ payload: { exp: nowS - 60 } })],
    ['not yet valid', () => forge({ payload: { nbf: nowS + 3600 } })],
    ['issued in the future', () => forge({ payload: { iat: nowS + 3600 } })],
    ['another audience', () => forge({ payload: { aud: 'elsewhere' } })],
    ['another issuer', () => forge({ payload: { iss: 'elsewhere' } })],
    ['another user', () => forge({ payload: { sub: 'nobody000000000', tenant_id: 'nobody000000000' } })],
    [
      'the session of one in the name of another',
      () => forge({ payload: { jti: decodeJwt(ann.token).jti ?? '' } }),
    ],
    ['a session that never was', () => forge({ payload: { jti: '00000000-0000-4000-8000-000000000000' } })],
    ['another tenant', () => forge({ payload: { tenant_id: ann.user.id } })],
    ['a role of its own making', () => forge({ payload: { role: 'root' } })],
    ...['sub', 'tenant_id', 'role', 'jti', 'iat', 'exp', 'iss', 'aud'].map(
      (without): [string, () => Promise<string>] => [`no ${without}`, () => forge({ without })],
    ),
  ];

  it.each(forgeries)('%s', async (_, make) => {
    expect(await me(await make())).toBe(401);
  });

  it('alg: none, in every case, with and without a signature', async () => {
    const [, claims, signature] = admin.split('.');
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
      const header = base64({ ...decodeProtectedHeader(admin), alg });
      for (const end of ['', signature]) expect(await me(`${header}.${claims}.${end}`), alg).toBe(401);
    }
  });

  it('a public key is no secret: RS256 and HS256 with the bytes of a key are refused', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const header = { ...decodeProtectedHeader(admin), alg: 'RS256' };
    expect(await me(await new SignJWT(decodeJwt(admin)).setProtectedHeader(header).sign(privateKey))).toBe(
      401,
    );
    expect(await me(await forge({ key: new TextEncoder().encode(await exportSPKI(publicKey)) }))).toBe(401);
  });

  it('parts of two tokens, parts that are missing, and what is no token', async () => {
    const [header, claims, signature] = ann.token.split('.');
    const [, , other] = bob.token.split('.');
    for (const token of [
      `${header}.${claims}.${other}`,
      `${header}.${claims}`,
      `${header}.${claims}.${signature}.x`,
      '..',
      'null',
      'x'.repeat(10_000),
      ann.database.token,
    ]) {
      expect(await me(token), token.slice(0, 40)).toBe(401);
    }
    // A promoted role in an honest token counts for nothing: the table of users says what one is.
    const promoted = { ...decodeJwt(ann.token), role: 'admin' };
    const kid = String(decodeProtectedHeader(ann.token).kid);
    const token = await new SignJWT(promoted)
      .setProtectedHeader({ alg: 'HS256', typ: 'fathom-session+jwt', kid })
      .sign(secret);
    expect((await call('GET', `${fathom.url}/api/v1/users`, { token })).status).toBe(403);
  });
});

describe("another tenant's database", () => {
  it('is out of reach by name, by id, by token and by the own database', async () => {
    const { name } = bob.database;
    for (const [method, path] of [
      ['GET', `/api/v1/databases/${name}`],
      ['GET', `/api/v1/databases/${name}/logs`],
      ['GET', `/api/v1/databases/${name}/metrics`],
      ['GET', `/api/v1/databases/${name}/collections`],
      ['POST', `/api/v1/databases/${name}/stop`],
      ['POST', `/api/v1/databases/${name}/sleep`],
      ['POST', `/api/v1/databases/${name}/wake`],
      ['GET', `/api/v1/users/${bob.user.id}`],
      ['GET', `/api/users/${bob.user.id}/pb_status`],
      ['POST', `/api/users/${bob.user.id}/stop_pb`],
      ['GET', '/api/v1/databases/global/logs'],
      ['GET', `/api/v1/api-keys?user_id=${bob.user.id}`],
    ] as const) {
      const { status } = await call(method, `${fathom.url}${path}`, { token: ann.token });
      expect(status, path).toBe(403);
    }
    // A token of one database means nothing in another.
    const records = `${bob.database.url}/api/collections/documents/records`;
    const stranger = await call('GET', records, { headers: { authorization: ann.database.token } });
    expect([stranger.status, JSON.stringify(stranger.body)]).not.toContain('items":[{');
    const refresh = `${bob.database.url}/api/collections/users/auth-refresh`;
    expect((await call('POST', refresh, { headers: { authorization: ann.database.token } })).status).toBe(
      401,
    );
  });
});

const post = (body: string) => call('POST', `${fathom.url}/api/v1/users`, { token: admin, body });

/** One request as bytes. */
async function raw(request: string): Promise<string> {
  const socket = connect(Number(fathom.env['SERVER_PORT']), '127.0.0.1');
  socket.end(request);
  return text(socket);
}

describe('at the global PocketBase', () => {
  it('a form does no more than JSON, and leaves no file', async () => {
    const { token } = await new PocketBase(fathom.globalUrl)
      .collection('users')
      .authWithPassword('ann@example.com', PASSWORD);
    const send = async (parts: Record<string, string | Blob>) => {
      const body = new FormData();
      for (const [name, part] of Object.entries(parts)) body.set(name, part);
      const url = `${fathom.globalUrl}/api/collections/users/records/${ann.user.id}`;
      return (await fetch(url, { method: 'PATCH', headers: { authorization: token }, body })).status;
    };
    expect(await send({ '@jsonPayload': JSON.stringify({ role: 'admin' }) })).toBe(404);
    expect(await send({ avatar: new Blob(['x'.repeat(1000)]) })).toBe(200);
    expect(existsSync(join(fathom.dataDir, 'global', 'pb_data', 'storage'))).toBe(false);
  });

  it('nothing of others, and nothing hidden of the own, is found by filters, sorts and relations', async () => {
    const client = new PocketBase(fathom.globalUrl);
    await client.collection('users').authWithPassword('ann@example.com', PASSWORD);
    const queries = [
      ['users', { filter: "sessions_via_user.hash ~ 'a'" }],
      ['users', { filter: "user_databases_via_user.superuser_secret ~ 'v1'" }],
      ['users', { filter: "tokenKey ~ 'a'" }],
      ['users', { filter: "@collection.users.email ~ 'admin'" }],
      ['users', { sort: 'password' }],
      ['user_databases', { sort: 'superuser_secret' }],
      ['user_databases', { filter: "superuser_secret ~ 'v1'" }],
      ['global_queue', { filter: "secrets != ''" }],
      ['sealed_secrets', {}],
      ['sessions', {}],
      ['audit_log', {}],
    ] as const;
    for (const [collection, query] of queries) {
      await expect(
        client.collection(collection).getList(1, 1, query),
        JSON.stringify(query),
      ).rejects.toMatchObject({
        status: expect.toBeOneOf([400, 403]) as number,
      });
    }
    const own = await client.collection('users').getFullList({
      expand: 'sessions_via_user,api_keys_via_user,user_databases_via_user',
    });
    expect(own.map(({ id }) => id)).toEqual([ann.user.id]);
    expect(Object.keys(own[0]?.expand ?? {})).toEqual(['user_databases_via_user']);
    expect(JSON.stringify(own)).not.toMatch(/superuser_secret|tokenKey|v1\./);
  });
});

describe('what is sent to confuse', () => {
  it('filters, sorts and searches are values, never expressions', async () => {
    for (const value of [
      "' || 1=1 || '",
      '"||role="admin',
      'x) OR (1=1',
      '%',
      '@request.auth.id != ""',
      '\\',
      "\\' || seq > 0 || '",
    ]) {
      const encoded = encodeURIComponent(value);
      const search = await call<{ total: number }>(
        'GET',
        `${fathom.url}/api/v1/databases?search=${encoded}`,
        {
          token: ann.token,
        },
      );
      expect(search.body.total).toBe(0);
      const audit = await call<{ total: number }>('GET', `${fathom.url}/api/v1/audit?actor=${encoded}`, {
        token: admin,
      });
      expect([400, 200]).toContain(audit.status);
      expect(audit.body.total ?? 0).toBe(0);
      expect((await call('GET', `${fathom.url}/api/v1/users?sort=${encoded}`, { token: admin })).status).toBe(
        400,
      );
      const login = { email: value, password: value };
      const refused = await call('POST', `${fathom.url}/api/v1/auth/login`, { body: login });
      expect([400, 401]).toContain(refused.status);
    }
  });

  it('line breaks and control characters end up in no header, no log line and no list', async () => {
    const url = `${fathom.url}/api/v1/auth/login`;
    const ansi = String.fromCharCode(27);
    const agent = `evil${ansi}[2J`;
    const bytes = await raw(
      `POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nUser-Agent: ${agent}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    expect(bytes).toMatch(/^HTTP\/1\.1 4/);
    const id = 'x\r\nset-cookie: a=b';
    const answer = await fetch(`${fathom.url}/${encodeURIComponent(id)}`, {
      headers: { 'x-request-id': 'forged' },
    });
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.headers.get('x-request-id')).not.toBe('forged');
    await call('POST', url, { body: { email: 'a@example.com', password: `x\n{"level":60}${ansi}[31m` } });
    for (const line of daemon.output().trim().split('\n')) {
      if (line.startsWith('{')) expect(() => JSON.parse(line) as unknown).not.toThrow();
      expect(line).not.toContain(ansi);
    }
  });

  it('prototypes, depth and size of JSON', async () => {
    for (const body of [
      '{"__proto__":{"role":"admin"},"email":"p@example.com","password":"a-good-password"}',
      '{"constructor":{"prototype":{"role":"admin"}},"email":"p@example.com","password":"a-good-password"}',
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
    ]) {
      expect((await post(body)).status).toBe(400);
    }
    expect((await post(`{"email":"${'x'.repeat(100_000)}"}`)).status).toBe(413);
    expect(({} as { role?: string }).role).toBeUndefined();
  });

  it('requests that are no HTTP, and upgrades that are none', async () => {
    for (const request of [
      'GET / HTTP/9.9\r\n\r\n',
      'GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'GET // HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ]) {
      expect(await raw(request), request).toMatch(/^(HTTP\/1\.1 4|$)/);
    }
    const tooLarge = await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(tooLarge).toMatch(
      /^HTTP\/1\.1 431 [\s\S]*application\/problem\+json[\s\S]*"code":"request.invalid"/,
    );
    expect((await call('GET', `${fathom.url}/health`)).status).toBe(200);
  });
});
