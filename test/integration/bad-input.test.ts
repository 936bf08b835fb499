import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import { isDatabaseName } from '../../shared/database-name.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { expectWholeFleet, usersWithDatabases } from '../helpers/fleet-state.ts';
import { type Answer, call, PASSWORD, type Session, signIn } from '../helpers/http-call.ts';

let fathom: Deployment;
let admin: string;

beforeAll(async () => {
  fathom = await createDeployment();
  await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
});

afterAll(() => fathom.dispose());

function register(body: unknown, headers: Record<string, string> = {}): Promise<Answer<Problem>> {
  return call('POST', `${fathom.url}/api/v1/auth/register`, { body, headers });
}

function expectProblem({ status, headers, body }: Answer<Problem>, expected: number, code: string): void {
  expect({ status, code: body.code, detail: body.detail }).toEqual({
    status: expected,
    code,
    detail: expect.stringMatching(/\S/) as string,
  });
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(body).toMatchObject({
    type: 'about:blank',
    status: expected,
    request_id: headers.get('x-request-id'),
  });
  expect(body.title).not.toBe('');
}

/** Sends bytes as they are, which no HTTP client would, and gives the status line. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(fathom.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.once('close', () => resolve(answer.split('\r\n')[0] ?? ''));
    socket.once('error', reject);
  });
}

describe('a request body that is not valid', () => {
  it.each([
    ['malformed JSON', '{"email":'],
    ['nothing', ''],
    ['a number', '5'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a __proto__', '{"email":"a@example.com","password":"a-good-password","__proto__":{"role":"admin"}}'],
    ['a constructor', '{"email":"a@example.com","constructor":{"prototype":{"role":"admin"}}}'],
    ['bytes that are no UTF-8', '\udc80{'],
  ])('%s is refused', async (_, body) => {
    expectProblem(await register(body), 400, 'request.invalid');
    expect(({} as Record<string, unknown>)['role']).toBeUndefined();
  });

  it('names a key that is not allowed', async () => {
    for (const [body, key] of [
      ['{"a":[{"__proto__":1}]}', '__proto__'],
      [String.raw`{"\u005f_proto__":1}`, '__proto__'],
      ['{"constructor":{"prototype":1}}', 'constructor.prototype'],
    ] as const)
      expect((await register(body)).body.detail).toContain(`the key '${key}', which is not allowed`);
    expect((await register('{"__proto__":')).body.detail).toContain('not valid JSON');
  });

  it('has no control character in a name, and no null character in a password', async () => {
    const account = { email: 'control@example.com', password: PASSWORD };
    for (const name of ['a\0b', 'a\nb', '\u0000'])
      expect((await register({ ...account, name })).body.errors).toMatchObject([{ path: 'name' }]);
    const { body } = await register({ ...account, password: `${PASSWORD}\0 and more` });
    expect(body.errors).toMatchObject([
      { path: 'password', message: expect.stringContaining('null character') as string },
    ]);
  });

  it('of another type is refused', async () => {
    const answer = await register('email=a@example.com', { 'content-type': 'text/csv' });
    expectProblem(answer, 415, 'request.unsupported_type');
  });

  it('names each field that is wrong', async () => {
    const answer = await register({ email: 5, password: 'short', name: {}, admin: true });
    expectProblem(answer, 400, 'request.invalid');
    expect(answer.body.errors?.map(({ path }) => path).toSorted()).toEqual(['email', 'name', 'password']);
    const unknown = await register({
      email: 'a@example.com',
      password: PASSWORD,
      admin: true,
      role: 'admin',
    });
    expectProblem(unknown, 400, 'request.invalid');
    expect(unknown.body.errors?.map(({ path }) => path)).toEqual(['admin', 'role']);
  });

  it('over 64 KiB is refused, however it is sent', async () => {
    const body = { email: 'big@example.com', password: PASSWORD, name: 'x'.repeat(65 * 1024) };
    expectProblem(await register(body), 413, 'request.too_large');
    const chunk = 'x'.repeat(70_000);
    const line = await raw(
      `POST /api/v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${chunk.length.toString(16)}\r\n${chunk}\r\n0\r\n\r\n`,
    );
    expect(line).toBe('HTTP/1.1 413 Payload Too Large');
  });
});

const LONG = 'x'.repeat(150);

describe('requests that are not valid', () => {
  it('to paths that are not there answer in the same form', async () => {
    expectProblem(await call('GET', `${fathom.url}/api/v1/nothing`, { token: admin }), 404, 'not_found');
    expectProblem(
      await call('PUT', `${fathom.url}/api/v1/users`, { token: admin }),
      405,
      'request.method_not_allowed',
    );
    expectProblem(
      await call('GET', `${fathom.url}/api/v1/users/%zz`, { token: admin }),
      400,
      'request.invalid',
    );
  });

  it.each([
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e',
    '2024-01-15-001-..%2f..%2fetc',
    '2024-01-15-001-a%00b',
    '2024-99-99-001-ann',
    '2024-01-15-001-ANN',
    "2024-01-15-001-a'b",
    '%F0%9F%90%B3',
    LONG,
  ])('with the database name %s', async (name) => {
    for (const [method, suffix] of [
      ['GET', ''],
      ['GET', '/logs'],
      ['POST', '/start'],
      ['DELETE', ''],
    ] as const) {
      // Written by hand: URL parsers resolve %2e%2e before anything is sent.
      const line = await raw(
        `${method} /api/v1/databases/${name}${suffix} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
          `Authorization: Bearer ${admin}\r\n\r\n`,
      );
      expect(line).toMatch(/^HTTP\/1\.1 (400|404) /);
    }
  });

  it.each(['..', '%2e%2e', '..%2f', 'a%2fb', "x'%20||%20id!=''", ' '])('with the user id %s', async (id) => {
    const encoded = id.replaceAll(' ', '%20');
    for (const [method, path] of [
      ['GET', `/api/v1/users/${encoded}`],
      ['DELETE', `/api/v1/users/${encoded}`],
      ['GET', `/api/users/${encoded}/pb_status`],
      ['POST', `/api/users/${encoded}/init_pb`],
    ]) {
      const line = await raw(
        `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${admin}\r\n\r\n`,
      );
      expect(line, `${method} ${path}`).toMatch(/^HTTP\/1\.1 (400|404) /);
    }
  });

  it.each([
    'Basic YTpi',
    'Bearer',
    'Bearer x.y.z',
    // Not signed at all.
    `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`,
  ])('with the authorization %s', async (authorization) => {
    const answer = await call('GET', `${fathom.url}/api/v1/me`, { headers: { authorization } });
    expectProblem(answer, 401, 'auth.required');
  });

  it('that are no HTTP end with 400', async () => {
    expect(await raw('hello\r\n\r\n')).toBe('HTTP/1.1 400 Bad Request');
  });
});

const ODD_ADDRESSES = [
  '../../etc@x.y',
  '..@example.com',
  '"../../etc"@example.com',
  '@example.com',
  `${'a'.repeat(300)}@example.com`,
  "o'neil@example.com",
  'naïve@example.com',
  '用户@example.com',
  'a b@example.com',
  'a@b@example.com',
  '$(reboot)@example.com',
  '.hidden@example.com',
  'x/y@example.com',
  '-rf@example.com',
  '___@example.com',
  'UPPER.Case+tag@example.com',
  'nul\u0000@example.com',
  'line\nbreak@example.com',
];

describe('odd e-mail addresses', () => {
  it('are refused, or give a database with a name that is safe', { timeout: 60_000 }, async () => {
    const accepted: string[] = [];
    const trySignUp = async (email: string) => {
      const answer = await call<Session & Problem>('POST', `${fathom.url}/api/v1/auth/register`, {
        body: { email, password: PASSWORD },
      });
      if (answer.status === 201) {
        accepted.push(email);
        expect(answer.body.database.name).toSatisfy(isDatabaseName);
      } else {
        expectProblem(answer, 400, 'request.invalid');
        expect(answer.body.errors).toMatchObject([{ path: 'email' }]);
      }
    };
    await Promise.all(ODD_ADDRESSES.map(trySignUp));
    expect(accepted).toEqual(expect.arrayContaining(["o'neil@example.com", 'UPPER.Case+tag@example.com']));

    const atTheApi = accepted.map((email) => email.replace('example.com', 'sdk.example.com'));
    const client = new PocketBase(fathom.globalUrl);
    for (const address of ODD_ADDRESSES) {
      const email = address.replace('example.com', 'sdk.example.com');
      await client
        .collection('users')
        .create({ email, password: PASSWORD, passwordConfirm: PASSWORD })
        .then(
          () => accepted.push(email),
          (error: unknown) => expect(error).toMatchObject({ status: 400 }),
        );
    }
    // The same at both doors.
    const atTheSdk = accepted.slice(atTheApi.length);
    expect(atTheSdk.toSorted()).toEqual(atTheApi.toSorted());
    const users = await usersWithDatabases(fathom);
    expect(users.map(({ email }) => email).toSorted()).toEqual(accepted.toSorted());
    const directories = await readdir(join(fathom.dataDir, 'user_dbs'));
    expect(directories.filter((name) => !isDatabaseName(name) && !name.startsWith('.staging-'))).toEqual([]);
    await expectWholeFleet(fathom);
  });
});
