import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { EDGE_TOKEN_HEADER } from '../../shared/api/edge.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { behindEdge, DOMAIN, EDGES_HERE, type EdgeProcess, jsonOf, statusIn } from '../helpers/edge.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { call, PASSWORD, type Session, signUp } from '../helpers/http-call.ts';
import { superuserToken } from '../helpers/instance-superuser.ts';
import { until } from '../helpers/until.ts';

const EDGE_TOKEN = randomBytes(32).toString('base64url');
const API = `api.${DOMAIN}`;
const AUTH = `auth.${DOMAIN}`;
const RECORDS = '/api/collections/documents/records';
const MIB = 1024 * 1024;

let fathom: Deployment;
let daemon: Daemon;

beforeAll(async () => {
  fathom = await createDeployment({ ...behindEdge(), EDGE_TOKEN });
  daemon = await fathom.start();
});

afterAll(() => fathom.dispose());

const portOf = async ({ database }: Session) => (await fathom.client.databases.get(database.name)).port;
const lookup = (name: string, headers: Record<string, string> = { [EDGE_TOKEN_HEADER]: EDGE_TOKEN }) =>
  call('GET', `${fathom.url}/api/v1/edge/databases/${name}`, { headers });
const hostOf = ({ database }: Session) => `${database.name}.db.${DOMAIN}`;

for (const [program, { isHere }] of Object.entries(EDGES_HERE))
  if (!isHere) console.log(`SKIPPED the edge of ${program}: it is not installed`);

describe.each(['nginx', 'caddy'] as const)('the site of %s', (program) => {
  const { isHere, start } = EDGES_HERE[program];
  const test = it.skipIf(!isHere);
  const onlyNginx = it.skipIf(!isHere || program !== 'nginx');
  let edge: EdgeProcess;
  let ann: Session;
  let bob: Session;

  beforeAll(async () => {
    if (!isHere) return;
    ann = await signUp(fathom.url, `ann@${program}.example.com`);
    bob = await signUp(fathom.url, `bob@${program}.example.com`);
    edge = await start(fathom);
  });

  afterAll(() => (isHere ? edge.stop() : undefined));

  const statusOf = async (host: string, path = '/api/health') => (await edge.call(host, path)).status;
  const untilStatus = (host: string, path: string, status: number) =>
    until(async () => (await statusOf(host, path)) === status, { what: `${status} of ${host}${path}` });

  test('leads each name to its own database', async () => {
    expect(ann.database.url).toBe(`https://${hostOf(ann)}`);
    for (const owner of [ann, bob]) {
      const body = JSON.stringify({ title: owner.user.email });
      const made = await edge.call(hostOf(owner), RECORDS, {
        method: 'POST',
        body,
        token: owner.database.token,
      });
      expect(made.status).toBe(200);
    }
    const list = await edge.call(hostOf(ann), RECORDS, { token: ann.database.token });
    expect((jsonOf(list) as { items: { title: string }[] }).items.map(({ title }) => title)).toEqual([
      ann.user.email,
    ]);
    const foreign = await edge.call(hostOf(bob), RECORDS, { token: ann.database.token });
    expect((jsonOf(foreign) as { items: object[] }).items).toEqual([]);
  });

  test.each([
    ['in upper case', (host: string) => host.toUpperCase()],
    ['with a dot at its end', (host: string) => `${host}.`],
    ['with a port', (host: string) => `${host}:443`],
    ['with a dot and a port', (host: string) => `${host}.:8443`],
  ])('finds a name %s', async (_, written) => {
    expect(await statusOf(written(hostOf(ann)))).toBe(200);
  });

  const NAMES: [string, (name: string) => string][] = [
    ['that no database has', () => `2001-01-01-001-absent.db.${DOMAIN}`],
    ['without a date', () => `absent.db.${DOMAIN}`],
    ['of the global PocketBase', () => `global.db.${DOMAIN}`],
    ['with a port in it', (name) => `${name}--9001.db.${DOMAIN}`],
    ['that is a port', () => `9001.db.${DOMAIN}`],
    ['with another label in front', (name) => `www.${name}.db.${DOMAIN}`],
    ['with a label that ends in it', (name) => `x${name}.db.${DOMAIN}`],
    ['of another domain', (name) => `${name}.db.${DOMAIN}.example.com`],
    ['of a domain with another dot', (name) => `${name}.dbx${DOMAIN}`],
    ['without the domain', (name) => name],
    ['that is very long', () => `2026-01-01-001-${'a'.repeat(200)}.db.${DOMAIN}`],
    ['with a very long number', () => `2026-01-01-${'1'.repeat(40)}-a.db.${DOMAIN}`],
    ['with encoded characters', () => `xn--2026-01-01-001-abc.db.${DOMAIN}`],
    ['with a query in it', (name) => `${name}?access=superuser.db.${DOMAIN}`],
    ['with a path in it', (name) => `..%2f${name}.db.${DOMAIN}`],
    ['that is an address', () => '127.0.0.1'],
    ['of nothing', () => `db.${DOMAIN}`],
  ];

  test.each(NAMES)('has no database at a name %s', async (_, written) => {
    const { status, body } = await edge.call(written(ann.database.name), '/api/health');
    // Caddy has an empty response for names of no site.
    if (status !== 200) expect([400, 404]).toContain(status);
    else expect(body.toString()).toBe('');
  });

  test('answers for a missing database like PocketBase, also to a browser', async () => {
    const answer = await edge.call(`2001-01-01-001-absent.db.${DOMAIN}`, '/api/health');
    expect(jsonOf(answer)).toMatchObject({ status: 404, data: {} });
    expect(answer.headers['access-control-allow-origin']).toBe('*');
  });

  test('rejects a name with characters that are not ASCII', async () => {
    expect(await statusOf(`2026-01-01-001-\u00fc.db.${DOMAIN}`)).toBeGreaterThanOrEqual(400);
  });

  test('does not reach another service of the host', async () => {
    let requests = 0;
    const foreign = createServer((_request, response) => {
      requests++;
      response.end('secret');
    });
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    const { port } = foreign.address() as AddressInfo;
    const headers = { 'fathom-port': String(port), 'x-accel-redirect': `/${port}` };
    const { name } = ann.database;
    const hosts = [
      `${port}.db.${DOMAIN}`,
      `${name}--${port}.db.${DOMAIN}`,
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `${hostOf(ann)}:${port}`,
    ];
    const target = `http://127.0.0.1:${port}/`;
    for (const host of hosts) {
      for (const path of ['/', target, `//127.0.0.1:${port}/`, `/@127.0.0.1:${port}/`, '/.fathom/user'])
        expect((await edge.call(host, path, { headers })).body.toString()).not.toContain('secret');
    }
    foreign.close();
    expect(requests).toBe(0);
  });

  const CLOSED = [
    '/_/',
    '/_',
    '/_/%0a',
    '/api/settings',
    '/api/SETTINGS/',
    '/api/%73ettings',
    '/api//settings',
    '/api/x/../settings',
    '/api%2Fsettings',
    '/api/backups',
    '/api/logs',
    '/api/crons',
    '/api/sql',
    '/api/collections',
    '/api/collections/documents',
    '/api/collections/import',
    '/api/collections/meta/scaffolds',
    '/api/collections/documents/truncate',
    '/api/collections/users/impersonate/x',
    '/api/collections/_superusers/auth-methods',
    '/api/collections/%5fSUPERUSERS/records',
    '/api/collections/pbc_3142635823/auth-methods',
  ];

  test('closes what only superusers use', async () => {
    for (const host of [hostOf(ann), AUTH]) {
      for (const path of CLOSED) expect(await statusOf(host, path), `${host}${path}`).toBe(404);
      expect(await statusOf(host, '/api/collections/users/auth-methods')).toBe(200);
    }
    const body = JSON.stringify({ identity: fathom.admin.email, password: fathom.admin.password });
    const signIn = await edge.call(AUTH, '/api/collections/_superusers/auth-with-password', {
      method: 'POST',
      body,
    });
    expect(signIn.status).toBe(404);
  });

  test('opens it for the database of a developer alone', async () => {
    const { name } = bob.database;
    expect((await fathom.client.databases.update(name, { developer: true })).developer).toBe(true);
    await untilStatus(hostOf(bob), '/_/', 200);
    for (const path of ['/api/settings', '/api/collections', '/api/crons'])
      expect(await statusOf(hostOf(bob), path), path).toBe(401);
    expect(await statusOf(hostOf(ann), '/_/')).toBe(404);
    expect((await fathom.client.databases.update(name, { developer: false })).developer).toBe(false);
    await untilStatus(hostOf(bob), '/_/', 404);
    expect(await statusOf(hostOf(bob))).toBe(200);
  });

  test('passes errors of PocketBase unchanged', async () => {
    await fathom.client.databases.update(bob.database.name, { developer: true });
    await untilStatus(hostOf(bob), '/api/settings', 401);
    const direct = `http://127.0.0.1:${await portOf(bob)}`;
    const calls = [
      { path: '/api/settings', status: 401 },
      { path: '/api/settings', status: 403, token: bob.database.token },
      { path: '/api/collections/none/records', status: 404 },
      { path: `${RECORDS}/none`, status: 404 },
      { path: '/api/collections/users/auth-with-password', status: 400, method: 'POST', body: '{}' },
    ];
    for (const { path, status, method = 'GET', ...options } of calls) {
      const [through, own] = await Promise.all([
        edge.call(hostOf(bob), path, { method, ...options }),
        call<unknown>(method, direct + path, options),
      ]);
      expect([through.status, jsonOf(through)], path).toEqual([own.status, own.body]);
      expect(through.status, path).toBe(status);
    }
    await fathom.client.databases.update(bob.database.name, { developer: false });
  });

  test('shows PocketBase and the API the address of the client, which it cannot forge', async () => {
    const [row] = (await databaseRows(fathom)).filter(({ name }) => name === ann.database.name);
    const token = row && (await superuserToken(fathom, row));
    if (token === undefined) throw new Error('no row');
    const direct = `http://127.0.0.1:${await portOf(ann)}`;
    const superuser = { headers: { authorization: token } };
    // A superuser is accepted from this host only.
    expect((await call('GET', `${direct}${RECORDS}`, superuser)).status).toBe(200);
    for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'cf-connecting-ip']) {
      const headers = { authorization: token, [name]: name === 'forwarded' ? 'for=127.0.0.1' : '127.0.0.1' };
      const refused = await edge.call(hostOf(ann), RECORDS, { headers, from: '127.0.0.2' });
      expect(refused.status, name).toBe(403);
    }

    const body = JSON.stringify({ email: ann.user.email, password: PASSWORD });
    const forged = { 'x-forwarded-for': '203.0.113.9', 'user-agent': 'forger' };
    const login = await edge.call(API, '/api/v1/auth/login', {
      method: 'POST',
      body,
      headers: forged,
      from: '127.0.0.3',
    });
    expect(login.status).toBe(200);
    const sessions = await fathom.client.sessions.list({ user_id: ann.user.id });
    expect(sessions.items.find(({ user_agent }) => user_agent === 'forger')?.address).toBe('127.0.0.3');
  });

  test('passes realtime events', async () => {
    const stream = await edge.open(hostOf(ann), '/api/realtime');
    let received = '';
    stream.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    stream.on('error', () => {});
    const clientId = await until(() => /"clientId":"(\w+)"/.exec(received)?.[1], {
      what: 'the id of the connection',
    });
    const body = JSON.stringify({ clientId, subscriptions: ['documents/*'] });
    const { token } = ann.database;
    expect((await edge.call(hostOf(ann), '/api/realtime', { method: 'POST', body, token })).status).toBe(204);
    await edge.call(hostOf(ann), RECORDS, { method: 'POST', body: '{"title":"live"}', token });
    await until(() => received.includes('"title":"live"'), { what: 'the event' });
    stream.destroy();
  });

  test('passes an upload of 20 MB and a download, and refuses more than it may', async () => {
    const file = randomBytes(20 * MIB);
    const upload = (content: Buffer) => {
      const boundary = randomBytes(16).toString('hex');
      const disposition = 'Content-Disposition: form-data; name="files"; filename="big.bin"';
      const body = Buffer.concat([
        Buffer.from(`--${boundary}\r\n${disposition}\r\n\r\n`),
        content,
        Buffer.from(`\r\n--${boundary}--\r\n`),
      ]);
      const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
      return edge.call(hostOf(ann), RECORDS, { method: 'POST', headers, body, token: ann.database.token });
    };
    const made = await upload(file);
    expect(made.status).toBe(200);
    const { id, files } = jsonOf(made) as { id: string; files: string[] };
    const ticket = await edge.call(hostOf(ann), '/api/files/token', {
      method: 'POST',
      token: ann.database.token,
    });
    const path = `/api/files/documents/${id}/${files[0]}?token=${(jsonOf(ticket) as { token: string }).token}`;
    expect((await edge.call(hostOf(ann), path)).body.equals(file)).toBe(true);
    const headers = { 'content-length': String(101 * MIB) };
    const refused = await edge.call(hostOf(ann), RECORDS, { method: 'POST', headers });
    expect([refused.status, statusIn(refused)]).toEqual([413, 413]);
  });

  test('carries the stream of the API, one HSTS header, and compressed JSON', async () => {
    const options = {
      headers: { host: API, authorization: `Bearer ${ann.token}` },
      servername: API,
      rejectUnauthorized: false,
    };
    const socket = new WebSocket(`wss://127.0.0.1:${edge.port}/ws`, 'fathom.v1', options);
    const answer = new Promise<string>((resolve, reject) => {
      socket.once('message', (data: Buffer) => resolve(data.toString()));
      socket.once('error', reject);
    });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send('{"type":"ping","id":3}');
    expect(JSON.parse(await answer)).toMatchObject({ type: 'pong' });
    socket.close();

    for (const [host, path] of [
      [API, '/health'],
      [API, '/api/v1/me'],
      [AUTH, '/api/health'],
      [hostOf(ann), '/api/health'],
      [hostOf(ann), '/api/settings'],
    ] as const) {
      const { rawHeaders } = await edge.call(host, path);
      expect(
        rawHeaders.filter((line) => /^strict-transport-security:/i.test(line)),
        host + path,
      ).toHaveLength(1);
    }
    const headers = { 'accept-encoding': 'gzip' };
    expect((await edge.call(API, '/openapi.json', { headers })).headers['content-encoding']).toBe('gzip');
    const list = `${RECORDS}?perPage=1&fields=*&filter=title~'${'x'.repeat(10)}'`;
    expect((await edge.call(hostOf(ann), list, { headers })).status).toBeLessThan(500);
  });

  test('keeps the port from everyone but the proxy', async () => {
    const { name } = ann.database;
    const port = await portOf(ann);
    expect((await lookup(name)).body).toEqual({ port });
    expect((await lookup('2001-01-01-001-absent')).status).toBe(404);
    expect((await lookup(`${name}?access=superuser`)).status).toBe(404);
    expect((await lookup('x'.repeat(101))).status).toBe(400);
    for (const headers of [{}, { [EDGE_TOKEN_HEADER]: 'x' }, { authorization: `Bearer ${EDGE_TOKEN}` }])
      expect((await lookup(name, headers as Record<string, string>)).status).toBe(401);
    const path = `/api/v1/edge/databases/${name}`;
    expect((await edge.call(API, path, { headers: { [EDGE_TOKEN_HEADER]: EDGE_TOKEN } })).status).toBe(404);
    expect(await statusOf(hostOf(ann), '/.fathom/user')).toBeGreaterThanOrEqual(400);
    expect(await statusOf(API, '/metrics')).toBe(404);
  });

  onlyNginx('limits the requests and connections of a client', async () => {
    const strict = await start(fathom, { requestsPerMinute: 15, connectionsPerAddress: 20 });
    try {
      const ask = (from: string) =>
        strict.call(hostOf(ann), '/api/health', { from }).then(({ status }) => status);
      expect(await ask('127.0.0.1')).toBe(200);
      await until(async () => (await Promise.all(Array(10).fill('127.0.0.1').map(ask))).includes(429), {
        what: 'the limit of requests',
      });
      // Another client is not concerned.
      const from = '127.0.0.4';
      expect(await ask(from)).toBe(200);
      const streams = await Promise.all(
        Array.from({ length: 20 }, () => strict.open(hostOf(ann), '/api/realtime', { from })),
      );
      const third = await strict.call(hostOf(ann), '/api/health', { from });
      expect([third.status, statusIn(third), third.headers['retry-after']]).toEqual([429, 429, '1']);
      for (const stream of streams) stream.on('error', () => {}).destroy();
    } finally {
      await strict.stop();
    }
  });

  test('knows the port while a database restarts', async () => {
    const { name } = bob.database;
    const ports = new Set<unknown>();
    const restarted = new AbortController();
    const asking = (async () => {
      while (!restarted.signal.aborted) ports.add((await lookup(name)).body);
    })();
    const before = await portOf(bob);
    await fathom.client.databases.restart(name);
    restarted.abort();
    await asking;
    const { held } = (await fathom.client.daemon.status()).sockets;
    expect([...ports].filter((body) => (body as { port: number }).port !== before).length > 0).toBe(!held);
  });

  test('answers 503 while a database does not run', async () => {
    await fathom.client.databases.stop(bob.database.name);
    await untilStatus(hostOf(bob), '/api/health', 503);
    const answer = await edge.call(hostOf(bob), '/api/health');
    expect(statusIn(answer)).toBe(503);
    await fathom.client.databases.start(bob.database.name);
    await untilStatus(hostOf(bob), '/api/health', 200);
  });

  onlyNginx('leads to known databases while the daemon is gone', async () => {
    await untilStatus(hostOf(ann), '/api/health', 200);
    daemon.signal('SIGKILL');
    await daemon.exited;
    const failed = `/api/v1/edge/databases/${ann.database.name}?access=user`;
    await until(
      async () => {
        expect(await statusOf(hostOf(ann))).toBe(200);
        return (await edge.log()).includes(failed);
      },
      { what: 'a port that is used although the question failed' },
    );
    expect([404, 503]).toContain(await statusOf(hostOf(ann), '/api/settings'));
    const unknown = await edge.call(`2001-01-01-009-absent.db.${DOMAIN}`, '/api/health');
    expect([unknown.status, statusIn(unknown)]).toEqual([503, 503]);
    const api = await edge.call(API, '/health');
    expect(jsonOf(api)).toMatchObject({ status: 503, code: 'daemon.unreachable' });
    daemon = await fathom.start();
    expect(await statusOf(hostOf(ann))).toBe(200);
  });

  test('loses a deleted database', async () => {
    await untilStatus(hostOf(bob), '/api/health', 200);
    const { name } = bob.database;
    await fathom.client.users.delete(bob.user.id);
    await untilStatus(hostOf(bob), '/api/health', 404);
    await expect(fathom.client.databases.get(name)).rejects.toMatchObject({ code: 'not_found' });
  });
});
