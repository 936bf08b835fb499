import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createRawServer, type Server as RawServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { textWith } from '../../test/helpers/text-with.ts';
import { ERROR_CODES } from '../errors.ts';
import { ApiError, HttpClient } from './http.ts';

const cleanUps: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function listen<T extends Server | RawServer>(server: T, at: string | 0 = 0): Promise<T> {
  server.listen(at === 0 ? { port: 0, host: '127.0.0.1' } : { path: at });
  await once(server, 'listening');
  cleanUps.push(async () => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
    await once(server, 'close');
  });
  return server;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

async function serve(answer: Answer): Promise<string> {
  const server = await listen(createServer((request, response) => void answer(request, response)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'fathom-http-'));
  cleanUps.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function json(status: number, value: unknown, type = 'application/json; charset=utf-8'): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(value));
  };
}

describe('a request', () => {
  it('carries method, path, query, body and token', async () => {
    const url = await serve(async (request, response) => {
      const { method, headers } = request;
      const seen = { method, url: request.url, token: headers.authorization, body: await text(request) };
      json(200, seen)(request, response);
    });
    const client = new HttpClient({ target: { url }, token: 'abc' });
    const seen = await client.request('POST', '/api/v1/x', {
      query: { a: 1, b: 'ü&', c: undefined },
      body: { d: 'é' },
    });
    expect(seen).toEqual({
      method: 'POST',
      url: '/api/v1/x?a=1&b=%C3%BC%26',
      token: 'Bearer abc',
      body: '{"d":"é"}',
    });
  });

  it('uses a local socket with any characters in its path', async () => {
    const socketPath = join(directory(), 'a:b c.sock');
    await listen(createServer(json(200, { ok: true })), socketPath);
    expect(await new HttpClient({ target: { socketPath } }).request('GET', '/')).toEqual({ ok: true });
  });

  it('keeps the path of an address behind a proxy', async () => {
    const url = await serve((request, response) => json(200, request.url)(request, response));
    expect(await new HttpClient({ target: { url: `${url}/fathom/` } }).request('GET', '/api')).toBe(
      '/fathom/api',
    );
  });

  it('resolves to undefined for an empty response', async () => {
    const url = await serve((_request, response) => response.writeHead(204).end());
    expect(await new HttpClient({ target: { url } }).request('DELETE', '/')).toBeUndefined();
  });
});

describe('a problem', () => {
  it('keeps code, status, detail, request id and errors', async () => {
    const url = await serve(
      json(
        409,
        {
          type: 'about:blank',
          title: 'x',
          status: 409,
          detail: 'it runs already',
          code: 'conflict',
          request_id: 'r-1',
          errors: [{ path: 'name', message: 'is taken' }],
        },
        'application/problem+json',
      ),
    );
    const error: unknown = await new HttpClient({ target: { url } })
      .request('GET', '/')
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      code: 'conflict',
      problemCode: 'conflict',
      status: 409,
      message: 'it runs already',
      requestId: 'r-1',
      fields: [{ path: 'name', message: 'is taken' }],
      exitCode: 1,
    });
  });

  it('with an unknown code of a newer daemon becomes the closest known code', async () => {
    const url = await serve(json(403, { code: 'auth.too_new', detail: 'no' }, 'application/problem+json'));
    const attempt = new HttpClient({ target: { url } }).request('GET', '/');
    await expect(attempt).rejects.toMatchObject({
      code: 'auth.forbidden',
      problemCode: 'auth.too_new',
      status: 403,
    });
  });

  it.each([[null], [[]], ['text'], [{ errors: 'x', detail: '' }]])(
    'of the odd shape %j still has a sentence',
    async (body) => {
      const url = await serve(json(500, body));
      const attempt = new HttpClient({ target: { url } }).request('GET', '/');
      await expect(attempt).rejects.toMatchObject({ code: 'internal', message: ERROR_CODES.internal.title });
    },
  );
});

describe('without a response of a daemon, the error says what to do', () => {
  it('when there is no socket', async () => {
    const socketPath = join(directory(), 'none.sock');
    await expect(new HttpClient({ target: { socketPath } }).request('GET', '/')).rejects.toMatchObject({
      code: 'daemon.unreachable',
      exitCode: 69,
      message: textWith(socketPath, "'systemctl start fathomd'", '--socket'),
    });
  });

  it('when no process listens on the port', async () => {
    const url = `http://127.0.0.1:${await freePortRange(1)}`;
    await expect(new HttpClient({ target: { url } }).request('GET', '/')).rejects.toMatchObject({
      code: 'daemon.unreachable',
      message: textWith(url, "'systemctl status fathomd'"),
    });
  });

  it('when it takes too long', async () => {
    const url = await serve(() => {});
    const attempt = new HttpClient({ target: { url }, timeoutMs: 20 }).request('GET', '/');
    await expect(attempt).rejects.toMatchObject({
      code: 'daemon.unreachable',
      message: textWith(url, '0.02 s'),
    });
  });

  it('when the response stalls', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{');
    });
    const attempt = new HttpClient({ target: { url }, timeoutMs: 50 }).request('GET', '/');
    await expect(attempt).rejects.toMatchObject({
      code: 'control_plane.unavailable',
      message: textWith(url, '0.05 s'),
    });
  });

  it('when the connection breaks', async () => {
    const server = await listen(createRawServer((socket) => socket.on('data', () => socket.destroy())));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const attempt = new HttpClient({ target: { url } }).request('GET', '/');
    await expect(attempt).rejects.toMatchObject({ code: 'daemon.unreachable', message: textWith(url) });
  });

  it.each([
    [200, 'text/html', '<html>'],
    [502, 'text/html', '<html>'],
    [200, 'application/json', '{"half'],
    [302, 'text/plain', ''],
  ])('when something else answers %i %s', async (status, type, body) => {
    const url = await serve((_request, response) =>
      response.writeHead(status, { 'content-type': type }).end(body),
    );
    await expect(new HttpClient({ target: { url } }).request('GET', '/')).rejects.toMatchObject({
      code: 'daemon.unreachable',
      message: textWith(url, status),
    });
  });
});

it('rejects with the reason of an abort', async () => {
  const url = await serve(() => {});
  const reason = new Error('left');
  const caller = new AbortController();
  const attempt = new HttpClient({ target: { url } }).request('GET', '/', { signal: caller.signal });
  caller.abort(reason);
  await expect(attempt).rejects.toBe(reason);
});

describe('an address', () => {
  it.each(['localhost:3000', 'ws://localhost', 'nonsense'])('that is not http is rejected: %s', (url) => {
    expect(() => new HttpClient({ target: { url } })).toThrow(
      expect.objectContaining({ code: 'request.invalid' }) as Error,
    );
  });

  it('with a password is rejected without showing it', () => {
    expect(() => new HttpClient({ target: { url: 'http://me:geheim@host' } })).toThrow(
      /^(?!.*geheim).*FATHOM_TOKEN/,
    );
  });
});
