import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { textWith } from '../../../test/helpers/text-with.ts';
import type { Session } from '../../api/accounts/auth.ts';
import { createFathomClient } from './application-client.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

function json(value: unknown, status = 200, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

function html(status: number): RequestListener {
  return (_request, response) =>
    response.writeHead(status, { 'content-type': 'text/html' }).end('<!doctype html>');
}

/** A request to a server that answers with `handler`. */
async function of(handler: RequestListener): Promise<unknown> {
  return createFathomClient({ url: await listen(handler) }).auth.me();
}

function offline(): Promise<never> {
  return Promise.reject(new TypeError('Failed to fetch'));
}

const PROBLEM = {
  code: 'auth.required',
  title: 'Sign in first',
  detail: 'the token has expired',
  request_id: 'r1',
};

const DATABASE = {
  name: 'd',
  url: 'http://127.0.0.1:9001',
  port: 9001,
  status: 'Running',
  token: 'pb',
} as const;

function session(token: string, database: Session['database'] = DATABASE): Session {
  return { token, expires_at: '2026-01-01T00:00:00Z', user: { id: 'u', email: 'e', role: 'user' }, database };
}

describe('createFathomClient', () => {
  it.each([
    '',
    'api.example.com',
    '/api',
    'ws://x',
    'ftp://x',
    'http://a:b@x',
    'http://x?y=1',
    'http://x#y',
    'http://',
  ])('refuses the address %j', (url) => {
    expect(() => createFathomClient({ url })).toThrow(expect.objectContaining({ code: 'request.invalid' }));
  });

  it.each(['', '/', '/fathom', '/fathom/', '/fathom//'])(
    'appends paths to an address that ends with %j',
    async (end) => {
      const paths: unknown[] = [];
      const url = await listen((request, response) => {
        paths.push(request.url);
        json(session('a').user)(request, response);
      });
      const client = createFathomClient({ url: url + end });
      await client.auth.me();
      expect(paths).toEqual([`${end.replace(/\/+$/, '')}/api/v1/me`]);
    },
  );

  it('keeps the session, and forgets it when the daemon refuses its token', async () => {
    const sent: unknown[] = [];
    const url = await listen((request, response) => {
      sent.push([request.url, request.headers.authorization]);
      const isRefused = request.url === '/api/v1/me' && request.headers.authorization === 'Bearer old';
      const answer = isRefused ? json(PROBLEM, 401) : json(session('new'));
      answer(request, response);
    });
    const seen: (string | undefined)[] = [];
    const client = createFathomClient({ url, token: 'old', onSession: (next) => seen.push(next?.token) });
    await expect(client.auth.me()).rejects.toMatchObject({
      code: 'auth.required',
      message: 'the token has expired',
      requestId: 'r1',
    });
    expect(client.token).toBeNull();
    await client.signIn({ email: 'e', password: 'p' });
    expect(await client.myDatabase()).toEqual({ name: 'd', url: 'http://127.0.0.1:9001', token: 'pb' });
    expect(client).toMatchObject({ token: 'new', session: { token: 'new' } });
    expect(seen).toEqual([undefined, 'new']);
    expect(sent).toEqual([
      ['/api/v1/me', 'Bearer old'],
      ['/api/v1/auth/login', undefined],
    ]);
  });

  it('keeps the session when a password is wrong', async () => {
    const url = await listen(json({ ...PROBLEM, code: 'auth.failed' }, 401));
    const client = createFathomClient({ url, token: 'mine' });
    await expect(client.signIn({ email: 'e', password: 'p' })).rejects.toMatchObject({ code: 'auth.failed' });
    const change = { current_password: 'p', password: 'other-password' };
    await expect(client.ownAccount.changePassword(change)).rejects.toMatchObject({ code: 'auth.failed' });
    expect(client.token).toBe('mine');
  });

  it('forgets the session at a sign-out, also without an answer', async () => {
    const url = await listen((request) => request.socket.destroy());
    const client = createFathomClient({ url, token: 'mine' });
    await expect(client.signOut()).rejects.toMatchObject({ code: 'daemon.unreachable' });
    expect(client.token).toBeNull();
    await client.signOut();
  });

  it('renews a session once for several callers', async () => {
    let renewals = 0;
    const url = await listen((request, response) => json(session(`t${(renewals += 1)}`))(request, response));
    const client = createFathomClient({ url, token: 'stored' });
    const [first, second, renewed] = await Promise.all([
      client.myDatabase(),
      client.myDatabase(),
      client.renewSession(),
    ]);
    expect([first, second]).toEqual([
      { name: 'd', url: DATABASE.url, token: 'pb' },
      { name: 'd', url: DATABASE.url, token: 'pb' },
    ]);
    expect([renewed.token, renewals]).toEqual(['t1', 1]);
  });

  it.each([
    [null, 'not_found'],
    [{ ...DATABASE, url: null, token: null, status: 'Failed' as const }, 'database.unavailable'],
  ])('reports that the own database %j cannot be used', async (database, code) => {
    const client = createFathomClient({ url: await listen(json(session('t', database))) });
    await expect(client.myDatabase()).rejects.toMatchObject({ code });
  });

  it('reports what it gets that is not an answer of Fathom', async () => {
    await expect(of(html(200))).rejects.toMatchObject({
      code: 'daemon.unreachable',
      message: textWith('not a Fathom daemon', 'Check the address'),
    });
    await expect(of(html(502))).rejects.toMatchObject({
      code: 'daemon.unreachable',
      message: textWith('502'),
    });
    await expect(of(json('text', 404))).rejects.toMatchObject({ code: 'daemon.unreachable' });
    await expect(
      of((_request, response) => response.writeHead(302, { location: '/elsewhere' }).end()),
    ).rejects.toMatchObject({ code: 'daemon.unreachable' });
    await expect(
      of(json({ code: 'rate_limited', detail: 'wait' }, 429, { 'retry-after': '7' })),
    ).rejects.toMatchObject({ code: 'rate_limited', retryAfterS: 7 });
    await expect(
      of(json({ code: 'new.code', detail: 'x', errors: [{ path: 'a', message: 'b', code: 'c' }] }, 400)),
    ).rejects.toMatchObject({
      code: 'request.invalid',
      problemCode: 'new.code',
      fields: [{ path: 'a', message: 'b', code: 'c' }],
    });
  });

  it('ends requests that are aborted, take too long, or find no server', async () => {
    const url = await listen(() => {});
    const client = createFathomClient({ url, timeoutMs: 20 });
    await expect(client.auth.me()).rejects.toMatchObject({ code: 'daemon.unreachable' });
    const abort = new AbortController();
    const left = client.auth.me({ signal: abort.signal, timeoutMs: 60_000 });
    abort.abort(new Error('the user left'));
    await expect(left).rejects.toThrow('the user left');
    await expect(client.auth.me({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await expect(createFathomClient({ url, fetch: offline }).auth.me()).rejects.toMatchObject({
      code: 'daemon.unreachable',
    });
  });
});

describe('openStream', () => {
  it('opens with a ticket below the path of the address, and asks for another one each time', async () => {
    let tickets = 0;
    const server = createServer((request, response) =>
      json({ ticket: `t ${(tickets += 1)}` }, 201)(request, response),
    );
    const sockets = new WebSocketServer({ server, handleProtocols: () => 'fathom.v1' });
    const urls: unknown[] = [];
    sockets.on('connection', (socket, request) => {
      urls.push(request.url);
      socket.on('message', () => {
        socket.send(JSON.stringify({ type: 'snapshot', topic: 'instances', seq: 0, data: [] }));
        if (urls.length === 1) socket.terminate();
      });
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    cleanups.push(() => {
      sockets.close();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const client = createFathomClient({ url: `http://127.0.0.1:${port}/fathom`, token: 'x' });
    const links: string[] = [];
    const again = Promise.withResolvers<void>();
    const stream = client.openStream({
      topics: ['instances'],
      onLink: ({ kind }) => links.push(kind),
      onSnapshot: () => urls.length === 2 && again.resolve(),
      onEvent() {},
    });
    await again.promise;
    stream.close();
    expect(urls).toEqual(['/fathom/ws?ticket=t+1', '/fathom/ws?ticket=t+2']);
    expect(links.at(-1)).toBe('closed');
  });

  it.each([
    [401, { kind: 'refused', signIn: true }],
    [403, { kind: 'refused', signIn: false }],
    [503, { kind: 'stale' }],
  ])('of a ticket that is answered with %d is %j', async (status, state) => {
    const url = await listen(json({ detail: 'no' }, status));
    const ended = Promise.withResolvers<unknown>();
    const stream = createFathomClient({ url, token: 'x' }).openStream({
      topics: ['instances'],
      onLink: ended.resolve,
      onSnapshot() {},
      onEvent() {},
    });
    expect(await ended.promise).toMatchObject({ ...state, reason: 'no' });
    stream.close();
  });

  it('needs a WebSocket', async () => {
    const { WebSocket } = globalThis;
    Reflect.deleteProperty(globalThis, 'WebSocket');
    cleanups.push(() => Object.assign(globalThis, { WebSocket }));
    const client = createFathomClient({ url: 'http://127.0.0.1:1' });
    expect(() => client.openStream({ topics: [], onLink() {}, onSnapshot() {}, onEvent() {} })).toThrow(
      expect.objectContaining({ code: 'request.invalid' }),
    );
  });
});
