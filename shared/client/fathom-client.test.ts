import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient, type FathomClient } from './fathom-client.ts';

const ITEMS = Array.from({ length: 1100 }, (_, index) => ({ id: `u${index}` }));

let server: Server;
let client: FathomClient;
let seen: string[];

beforeEach(async () => {
  seen = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    seen.push(`${request.method} ${decodeURI(url.pathname)}${url.search} ${await text(request)}`.trim());
    const page = Number(url.searchParams.get('page'));
    const perPage = Number(url.searchParams.get('per_page'));
    const items = ITEMS.slice((page - 1) * perPage, page * perPage);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ items, page, per_page: perPage, total: ITEMS.length }));
  };
  server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = createClient({
    target: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
  });
});

afterEach(async () => {
  server.close();
  await once(server, 'close');
});

it('sends the method, path, query and body of each operation', async () => {
  await client.daemon.status();
  await client.auth.ticket();
  await client.auth.login({ email: 'a@b.c', password: 'x' });
  await client.databases.list({ per_page: 5 });
  await client.databases.get('n');
  await client.databases.start('n');
  await client.databases.stop('n');
  await client.databases.restart('n');
  await client.databases.logs('n', { tail: 3 });
  await client.databases.collections('n', { per_page: 500 });
  await client.databases.records('n', 'posts', { page: 2 });
  await client.databases.delete('n');
  await client.users.update('u1', { is_active: false });
  await client.users.delete('u1');
  await client.sessions.endAll({ user_id: 'u1', keys: true });
  expect(seen).toEqual([
    'GET /api/v1/status',
    'POST /api/v1/ws-ticket',
    'POST /api/v1/auth/login {"email":"a@b.c","password":"x"}',
    'GET /api/v1/databases?per_page=5',
    'GET /api/v1/databases/n',
    'POST /api/v1/databases/n/start',
    'POST /api/v1/databases/n/stop',
    'POST /api/v1/databases/n/restart',
    'GET /api/v1/databases/n/logs?tail=3',
    'GET /api/v1/databases/n/collections?per_page=500',
    'GET /api/v1/databases/n/collections/posts/records?page=2',
    'DELETE /api/v1/databases/n',
    'PATCH /api/v1/users/u1 {"is_active":false}',
    'DELETE /api/v1/users/u1',
    'DELETE /api/v1/sessions?user_id=u1&keys=true',
  ]);
});

it.each(['.', '..', ''])('rejects %j as a name, which would change the path', async (name) => {
  await expect(client.databases.stop(name)).rejects.toMatchObject({ code: 'request.invalid' });
  expect(seen).toEqual([]);
});

it('encodes a name in the path', async () => {
  await client.databases.get('../users?x=/');
  expect(seen).toEqual(['GET /api/v1/databases/..%2Fusers%3Fx%3D%2F']);
});

describe('all', () => {
  it('reads all pages with the maximum size', async () => {
    expect(await client.users.all()).toEqual(ITEMS);
    expect(seen).toEqual([1, 2, 3].map((page) => `GET /api/v1/users?page=${page}&per_page=500`));
  });
});
