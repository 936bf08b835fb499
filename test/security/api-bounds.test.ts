import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { deployment, startedDeployment } from '../helpers/harness.ts';
import { call, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

const PUBLIC_PATHS = ['/api/v1/auth/register', '/api/v1/auth/login', '/api/v1/auth/exchange'];

/** JSON of this size. */
const padded = (bytes: number) => `{"x":"${'y'.repeat(bytes - 8)}"}`;
/** A task whose payload is nested this deep. */
const nested = (levels: number) => `{"type":"x","payload":${'['.repeat(levels)}${']'.repeat(levels)}}`;

describe('what a stranger sends', () => {
  let fathom: Deployment;
  let admin: string;

  beforeAll(async () => {
    ({ fathom, admin } = await startedDeployment());
  });

  afterAll(() => fathom.dispose());

  const post = (path: string, body: unknown, token?: string) =>
    call('POST', fathom.url + path, { body, token });

  it.each(PUBLIC_PATHS)('to %s is at most 4 KiB', async (path) => {
    expect((await post(path, padded(4096))).status).toBe(400);
    for (const bytes of [4097, 16 * 1024]) {
      expect(await post(path, padded(bytes))).toMatchObject({
        status: 413,
        body: { code: 'request.too_large' },
      });
    }
    // Without a length, in chunks.
    const chunks = new ReadableStream({
      start: (controller) => {
        for (let count = 0; count < 6; count += 1) controller.enqueue(Buffer.alloc(1024, ' '));
        controller.close();
      },
    });
    const chunked = await fetch(fathom.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: chunks,
      duplex: 'half',
    });
    expect(chunked.status).toBe(413);
  });

  it('gets its answer also when much of a refused body is still on its way', async () => {
    const large = Buffer.alloc(4 * 1024 * 1024, ' ');
    const send = async (options: { type: string; path: string; close: boolean }): Promise<string> => {
      const socket = connect({ port: Number(fathom.env['SERVER_PORT']), host: '127.0.0.1' });
      onTestFinished(() => void socket.destroy());
      socket.write(
        `POST ${options.path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${options.type}\r\n` +
          `${options.close ? 'Connection: close\r\n' : ''}Content-Length: ${large.length}\r\n\r\n`,
      );
      for (let at = 0; at < large.length; at += 65_536) socket.write(large.subarray(at, at + 65_536));
      const [data] = (await once(socket, 'data')) as [Buffer];
      return data.toString().slice(0, 12);
    };
    const [register] = PUBLIC_PATHS as [string, ...string[]];
    const refused: [string, string, string][] = [
      ['HTTP/1.1 413', 'application/json', register],
      ['HTTP/1.1 415', 'text/plain', register],
      ['HTTP/1.1 401', 'application/json', '/api/v1/queue/tasks'],
      ['HTTP/1.1 404', 'application/json', '/api/v1/nothing'],
    ];
    for (const [status, type, path] of refused) {
      for (const close of [true, false]) {
        for (let round = 0; round < 5; round += 1) {
          expect(await send({ type, path, close }), `${type} to ${path}`).toBe(status);
        }
      }
    }
  });

  it('is not parsed when it is nested too deep, also from a signed-in user', async () => {
    for (const levels of [516, 1000, 30_000]) {
      const { status, body } = await post('/api/v1/queue/tasks', nested(levels), admin);
      expect([status, body.code, body.errors]).toEqual([400, 'request.invalid', undefined]);
    }
    // Brackets in strings are no levels.
    const flat = { type: 'x', payload: { text: '[{'.repeat(5_000) } };
    expect((await post('/api/v1/queue/tasks', flat, admin)).status).toBe(201);
    for (const path of PUBLIC_PATHS) expect((await post(path, '['.repeat(4_000))).status).toBe(400);
  });

  it('is answered with at most ten field errors, each of them short', async () => {
    const types = Array.from({ length: 20 }, () => 'no-permission');
    const many = await post('/api/v1/api-keys', { name: 'x', permissions: types }, admin);
    expect(many.body.errors?.length).toBe(10);
    const names = Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`k${at}`, 1]));
    const long = await post('/api/v1/auth/login', { ['n'.repeat(3_000)]: 1 });
    for (const { status, body } of [many, long, await post('/api/v1/api-keys', names, admin)]) {
      expect(status).toBe(400);
      const answer: Problem = body;
      expect(JSON.stringify(answer).length).toBeLessThan(4_000);
      for (const { path, message } of answer.errors ?? []) {
        expect(Math.max(path.length, message.length)).toBeLessThanOrEqual(201);
      }
    }
  });

  it('for an odd page or filter builds nothing and is refused or empty', async () => {
    const { token, database } = await signUp(fathom.url, 'filters@example.com');
    const list = (query: string, as: string) =>
      call<{ items: { name: string }[]; total: number }>('GET', `${fathom.url}/api/v1/databases?${query}`, {
        token: as,
      });
    expect((await list('search=global', token)).body.total).toBe(0);
    expect((await list(`search=${database.name}`, token)).body.items.map(({ name }) => name)).toEqual([
      database.name,
    ]);
    expect((await list('phase=nonsense', admin)).body.total).toBe(0);
    expect((await list('phase=running&search=glob', admin)).body.items.map(({ name }) => name)).toEqual([
      'global',
    ]);
    for (const query of ['page=0', 'page=-1', 'page=1e9x', 'per_page=100000', 'sort=__proto__']) {
      expect((await list(query, token)).status, query).toBe(400);
    }
  });
});

/** Opens connections that send nothing, from an address of the loopback network. */
async function openSilent(port: number, count: number, localAddress: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1', localAddress }));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on('error', () => {});
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

/** The connections to a port as the kernel counts them. */
async function countEstablished(port: number): Promise<number> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n');
  return lines.filter((line) => new RegExp(`^\\s*\\d+: \\w+:${hex} \\w+:\\w+ 01 `).test(line)).length;
}

describe('connections of one address', () => {
  it('are limited, and the oldest idle one makes room', async () => {
    const fathom = await deployment({ CONNECTIONS_PER_ADDRESS: '20' });
    await fathom.start();
    const port = Number(fathom.env['SERVER_PORT']);
    await openSilent(port, 300, '127.0.0.9');
    await until(async () => (await countEstablished(port)) <= 30, { what: 'the connections to be closed' });
    // Neither the address itself nor another one is locked out.
    for (const localAddress of ['127.0.0.9', '127.0.0.10']) {
      const socket = connect({ port, host: '127.0.0.1', localAddress });
      socket.end('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      const [data] = (await once(socket, 'data')) as [Buffer];
      expect(data.toString()).toMatch(/^HTTP\/1\.1 200/);
    }
  });

  it('that send a request slowly make room as well', async () => {
    const fathom = await deployment({ CONNECTIONS_PER_ADDRESS: '20' });
    await fathom.start();
    const port = Number(fathom.env['SERVER_PORT']);
    const sockets = await openSilent(port, 20, '127.0.0.1');
    let closed = 0;
    for (const [index, socket] of sockets.entries()) {
      socket.on('close', () => {
        closed += 1;
      });
      const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
      socket.write(index % 2 === 0 ? head : `${head}Content-Length: 100\r\n\r\n{`);
    }
    for (let count = 0; count < 5; count += 1) {
      expect((await fetch(`${fathom.url}/health`, { headers: { connection: 'close' } })).status).toBe(200);
    }
    await until(() => closed > 0, { what: 'a slow connection to be closed' });
  });

  it('behind a trusted proxy are counted by client, and never lock the proxy out', async () => {
    const fathom = await deployment({ CONNECTIONS_PER_ADDRESS: '5', TRUSTED_PROXIES: '127.0.0.1' });
    await fathom.start();
    const { token } = await signUp(fathom.url, 'ann@example.com');
    const open = (client: string) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(`${fathom.url.replace('http', 'ws')}/ws`, 'fathom.v1', {
          headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': client },
        });
        onTestFinished(() => socket.terminate());
        socket.once('open', () => resolve('open'));
        socket.once('error', ({ message }) => resolve(message));
      });
    const first = await Promise.all(Array.from({ length: 5 }, () => open('192.0.2.1')));
    expect(first).toEqual(['open', 'open', 'open', 'open', 'open']);
    expect(await open('192.0.2.1')).toContain('429');
    // One IPv6 network is one client.
    const network = await Promise.all([1, 2, 3, 4, 5, 6].map((host) => open(`2001:db8::${host}`)));
    expect(network.filter((answer) => answer === 'open')).toHaveLength(5);
    expect(await open('192.0.2.2')).toBe('open');
    const request = await call('GET', `${fathom.url}/health`, {
      headers: { 'x-forwarded-for': '192.0.2.1' },
    });
    expect(request.status).toBe(429);
    expect((await call('GET', `${fathom.url}/health`)).status).toBe(200);
  });
});

describe('one signed-in user', () => {
  it('has a limited number of streams, over all its sessions and keys', async () => {
    const fathom = await deployment();
    await fathom.start();
    const ann = await signUp(fathom.url, 'ann@example.com');
    const again = await signIn(fathom.url, 'ann@example.com');
    const { body } = await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
      token: ann.token,
      body: { name: 'k' },
    });
    const open = async (token: string): Promise<WebSocket | string> => {
      const socket = new WebSocket(`${fathom.url.replace('http', 'ws')}/ws`, 'fathom.v1', {
        headers: { authorization: `Bearer ${token}` },
      });
      onTestFinished(() => socket.terminate());
      return new Promise((resolve) => {
        socket.once('open', () => resolve(socket));
        socket.once('error', ({ message }) => resolve(message));
      });
    };
    const holders = Array.from({ length: 20 }, (_, at) => [ann.token, again.token, body.key][at % 3] ?? '');
    const opened = await Promise.all(holders.map(open));
    expect(new Set(opened.map((stream) => typeof stream))).toEqual(new Set(['object']));
    for (const token of [ann.token, again.token, body.key]) expect(await open(token)).toContain('429');
    const bob = await signUp(fathom.url, 'bob@example.com');
    expect(typeof (await open(bob.token))).toBe('object');
    // A stream that ends makes room, and a refused upgrade holds none.
    const [stream] = opened as WebSocket[];
    stream?.close();
    await until(async () => typeof (await open(ann.token)) === 'object', { what: 'a stream to be free' });
  });

  it('gets its answers while strangers sign in without end', async () => {
    const fathom = await deployment({
      CONNECTIONS_PER_ADDRESS: '2000',
      SIGN_IN_FAILURES_PER_ADDRESS: '100000',
    });
    await fathom.start();
    const { token } = await signUp(fathom.url, 'ann@example.com');
    const own = () => call('GET', `${fathom.url}/api/v1/databases`, { token });
    expect((await own()).status).toBe(200);
    const { pid } = await fathom.client.databases.get('global');
    if (pid === null) throw new Error('the global PocketBase runs');
    // Sign-ins are answered slowly, as under a flood of bcrypt.
    process.kill(pid, 'SIGSTOP');
    const statuses: number[] = [];
    const flood = Array.from({ length: 300 }, async (_, at) => {
      const body = { email: `nobody${at}@example.com`, password: 'x' };
      statuses.push((await call('POST', `${fathom.url}/api/v1/auth/login`, { body })).status);
    });
    try {
      // 16 are in progress and 200 wait; the others are refused at once.
      await until(() => statuses.length >= 84, { what: 'the refusals' });
      expect(new Set(statuses)).toEqual(new Set([429]));
      expect((await own()).status).toBe(200);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await Promise.all(flood);
    expect(statuses.filter((status) => status === 429)).toHaveLength(84);
    await signIn(fathom.url, 'ann@example.com');
  });
});
