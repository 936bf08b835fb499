import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, type Session, signUp } from '../helpers/http-call.ts';

const ORIGIN = 'https://app.example.com';

let fathom: Deployment;
let admin: string;
let ann: Session;

beforeAll(async () => {
  ({ fathom, admin } = await startedDeployment({ CORS_ORIGINS: ORIGIN }));
  ann = await signUp(fathom.url, 'ann@example.com');
});

afterAll(() => fathom.dispose());

const send = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
  call(method, `${fathom.url}${path}`, { token: admin, body, headers });

function listOf(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? '')
    .split(', ')
    .filter((value) => value !== '')
    .toSorted();
}

/** Bytes as they are, which no HTTP client would send; the connection ends with the answer. */
function raw(head: readonly string[], body = '', host = ['Host: x']): Promise<string> {
  const { hostname, port } = new URL(fathom.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${[...head, ...host, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`);
    });
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.once('close', () => resolve(answer));
    socket.once('error', reject);
  });
}

const preflight = (origin: string, method: string, path = '/api/v1/users') =>
  fetch(`${fathom.url}${path}`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization,content-type,fathom-role',
    },
  });

describe('a request that Fathom refuses early', () => {
  const UPGRADE = [
    'GET /ws HTTP/1.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];

  it.each([
    ['without a Host', ['GET /health HTTP/1.1'], [], 400, 'request.invalid'],
    ['for a stream without a token', UPGRADE, undefined, 401, 'auth.required'],
  ])('%s gets problem details', async (_, lines, host, status, code) => {
    const [head = '', body = ''] = (await raw(lines, '', host)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head.toLowerCase()).toContain('content-type: application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ status, code, request_id: expect.any(String) });
  });
});

describe('CORS', () => {
  it('a preflight allows every method that the API has, and is kept', async () => {
    const { paths } = (await (await fetch(`${fathom.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const used = new Set(Object.values(paths).flatMap((methods) => Object.keys(methods)));
    expect(used).toContain('patch');
    for (const method of used) {
      const { status, headers } = await preflight(ORIGIN, method.toUpperCase());
      expect(status).toBe(204);
      expect(listOf(headers, 'access-control-allow-methods')).toContain(method.toUpperCase());
      expect(headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(headers.get('access-control-allow-headers')).toContain('authorization');
      expect(Number(headers.get('access-control-max-age'))).toBeGreaterThanOrEqual(600);
      expect(listOf(headers, 'vary')).toContain('Origin');
    }
  });

  it('of another origin is not answered with permission', async () => {
    const { status, headers } = await preflight('https://evil.example.com', 'DELETE');
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  it.each([
    ['an answer', '/health', 200],
    ['an error', '/api/v1/nothing', 404],
  ])('%s shows the application what it needs', async (_, path, status) => {
    const answer = await send('GET', path, { origin: ORIGIN });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const exposed = listOf(answer.headers, 'access-control-expose-headers').map((name) => name.toLowerCase());
    expect(exposed).toEqual(
      expect.arrayContaining(['retry-after', 'x-request-id', 'allow', 'x-ratelimit-remaining']),
    );
    expect(answer.headers.get('x-ratelimit-remaining')).toMatch(/^\d+$/);
  });

  it('the lifecycle API has it as well', async () => {
    const path = `/api/users/${ann.user.id}/pb_status`;
    expect((await preflight(ORIGIN, 'POST', path)).status).toBe(204);
    const answer = await send('GET', path, { origin: ORIGIN });
    expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  });
});

describe('a method that a path does not have', () => {
  it.each([
    ['PUT', '/api/v1/users', ['GET', 'HEAD', 'OPTIONS', 'POST']],
    ['GET', '/api/v1/auth/login', ['OPTIONS', 'POST']],
    ['HEAD', '/api/v1/auth/login', ['OPTIONS', 'POST']],
    ['POST', '/api/v1/queue/schedules/nightly', ['DELETE', 'OPTIONS', 'PUT']],
    ['DELETE', '/api/pb_instances', ['GET', 'HEAD', 'OPTIONS']],
    ['PROPFIND', '/health', ['GET', 'HEAD', 'OPTIONS']],
    ['POST', '/metrics?x=1', ['GET', 'HEAD', 'OPTIONS']],
  ])('%s %s answers 405 and names those that it has', async (method, path, allowed) => {
    const { status, headers, body } = await send(method, path);
    expect(status).toBe(405);
    expect(listOf(headers, 'allow')).toEqual(allowed);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    if (method !== 'HEAD') expect(body.code).toBe('request.method_not_allowed');
  });

  it('is refused before its body is looked at', async () => {
    const { status, body } = await send('PUT', '/api/v1/users', { 'content-type': 'text/csv' }, 'a,b');
    expect({ status, code: body.code }).toEqual({ status: 405, code: 'request.method_not_allowed' });
  });

  it.each(['GET', 'POST', 'OPTIONS'])('%s of a path that is not there answers 404', async (method) => {
    const { status, body } = await send(method, '/api/v1/nothing');
    expect({ status, code: body.code }).toEqual({ status: 404, code: 'not_found' });
  });

  it.each(['GET', 'PUT', 'OPTIONS'])('%s does not show the routes of hooks', async (method) => {
    const { status, headers } = await send(method, '/internal/users/created');
    expect(status).toBe(404);
    expect(headers.get('allow')).toBeNull();
  });

  it('OPTIONS without an origin names the methods', async () => {
    const odd: Record<string, string>[] = [
      {},
      { origin: ORIGIN },
      { 'access-control-request-method': 'GET' },
    ];
    for (const headers of odd) {
      const answer = await send('OPTIONS', '/api/v1/users', headers);
      expect(answer.status).toBe(204);
      expect(listOf(answer.headers, 'allow')).toEqual(['GET', 'HEAD', 'OPTIONS', 'POST']);
    }
  });

  it('HEAD answers as GET does, without a body', async () => {
    const [head, get] = [await send('HEAD', '/api/v1/users'), await send('GET', '/api/v1/users')];
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
    expect(head.body).toBe('');
  });
});

describe('a slash at the end of a path', () => {
  it('is another path', async () => {
    const { status, body } = await send('GET', '/api/v1/queue/stats/');
    expect({ status, code: body.code }).toEqual({ status: 404, code: 'not_found' });
    expect(body.detail).toMatch(/\/api\/v1\/queue\/stats$/);
  });

  it('with no id after it never means the whole list', async () => {
    const { status, body } = await call('DELETE', `${fathom.url}/api/v1/sessions/`, {
      token: ann.token,
    });
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'request.invalid' });
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token: ann.token })).status).toBe(200);
  });
});

describe('a body', () => {
  const types = ['application/json', 'application/x-www-form-urlencoded', 'text/plain;charset=UTF-8'];

  it.each(types)('that is empty, sent as %s, is none', async (type) => {
    const named = { 'content-type': type };
    for (const path of ['/api/v1/queue/pause', '/api/v1/queue/resume', '/api/v1/ws-ticket']) {
      expect((await send('POST', path, named, '')).status).toBeLessThan(300);
    }
    expect((await send('POST', `/api/v1/databases/${ann.database.name}/restart`, named, '')).status).toBe(
      200,
    );
    expect((await send('POST', `/api/users/${ann.user.id}/init_pb`, named, '')).status).toBe(200);
    expect((await send('DELETE', '/api/v1/sessions?user_id=nobody000000000', named, '')).status).toBe(204);
    const needed = await send('POST', '/api/v1/users', named, '');
    expect({ status: needed.status, code: needed.body.code }).toEqual({
      status: 400,
      code: 'request.invalid',
    });
  });

  it.each([
    'text/plain',
    'text/csv',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/json; charset=iso-8859-1',
    'nonsense',
  ])('of the type %s answers 415 and says which to send', async (type) => {
    for (const [method, path] of [
      ['POST', '/api/v1/users'],
      ['PATCH', `/api/v1/users/${ann.user.id}`],
      ['PUT', '/api/v1/queue/schedules/nightly'],
    ] as const) {
      const { status, headers, body } = await send(method, path, { 'content-type': type }, '{"a": 1}');
      expect({ status, code: body.code }).toEqual({ status: 415, code: 'request.unsupported_type' });
      expect(headers.get('accept')).toBe('application/json');
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    }
  });

  it.each(['gzip', 'br', 'gzip, identity', 'x-é', ','])(
    'with the Content-Encoding %s answers 415 and says which to send',
    async (encoding) => {
      const named = {
        'content-type': 'application/json',
        'content-encoding': Buffer.from(encoding).toString('latin1'),
      };
      for (const path of ['/api/v1/users', '/api/v1/auth/login', `/api/users/${ann.user.id}/init_pb`]) {
        const { status, headers } = await send('POST', path, named, '{}');
        expect({ path, status, accepted: headers.get('accept-encoding') }).toEqual({
          path,
          status: 415,
          accepted: 'identity',
        });
      }
      expect((await send('POST', '/api/v1/queue/resume', named, '')).status).toBe(200);
    },
  );

  it('with the Content-Encoding identity is read, and other refusals do not name encodings', async () => {
    const type = 'application/json';
    const path = `/api/v1/users/${ann.user.id}`;
    const plain = { 'content-type': type, 'content-encoding': 'Identity' };
    expect((await send('PATCH', path, plain, '{"is_active": true}')).status).toBe(200);
    const csv = await send('PATCH', path, { 'content-type': 'text/csv' }, '{}');
    expect([csv.status, csv.headers.get('accept-encoding')]).toEqual([415, null]);
  });

  it('of another type is refused as that, however large it is', async () => {
    const { status } = await send(
      'POST',
      '/api/v1/users',
      { 'content-type': 'text/csv' },
      'x'.repeat(100_000),
    );
    expect(status).toBe(415);
  });

  it('without a type answers 415', async () => {
    const answer = await raw(
      ['POST /api/v1/users HTTP/1.1', `Authorization: Bearer ${admin}`, 'Content-Length: 2'],
      '{}',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 415 /);
    expect(answer).toContain('"code":"request.unsupported_type"');
  });

  it.each([
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'APPLICATION/JSON',
    'application/json; charset=us-ascii',
  ])('of the type %s is JSON', async (type) => {
    const { status, body } = await send(
      'PATCH',
      `/api/v1/users/${ann.user.id}`,
      { 'content-type': type },
      '{"is_active": true}',
    );
    expect(status, JSON.stringify(body)).toBe(200);
  });

  it('is sent after 100 Continue where that is expected; another expectation answers 417', async () => {
    const body = '{"is_active": true}';
    const head = [
      `PATCH /api/v1/users/${ann.user.id} HTTP/1.1`,
      `Authorization: Bearer ${admin}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ];
    expect(await raw([...head, 'Expect: 100-continue'], body)).toMatch(
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    );
    const refused = await raw([...head, 'Expect: wonders'], body);
    expect(refused).toMatch(/^HTTP\/1\.1 417 /);
    expect(refused).toContain('"code":"request.invalid"');
  });
});

describe('what else clients go by', () => {
  it.each(['text/html', 'application/xml;q=0.9', '*/*', ''])('an Accept of %j gets JSON', async (accept) => {
    const good = await send('GET', '/api/v1/me/database', { accept });
    expect(good.status).toBe(404);
    expect(good.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect((await send('GET', '/health', { accept })).headers.get('content-type')).toMatch(
      /^application\/json/,
    );
  });

  it.each(['/api/v1/users', '/api/pb_instances'])('401 of %s names the scheme', async (path) => {
    const { status, headers } = await call('GET', `${fathom.url}${path}`);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer');
  });
});
