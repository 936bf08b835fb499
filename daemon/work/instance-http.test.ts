import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { InstanceHttp, type InstanceRequest } from './instance-http.ts';

const GET: InstanceRequest = { method: 'GET', path: '/', headers: {}, body: null, signal: null };
const POST: InstanceRequest = { method: 'POST', path: '/', headers: {}, body: '{"a":"ä"}', signal: null };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers each request on a connection by its number, counted from 1. */
async function serve(answer: (socket: Socket, request: number, text: string) => void) {
  const seen = { requests: 0, connections: 0 };
  const server = createServer((socket) => {
    seen.connections += 1;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      seen.requests += 1;
      answer(socket, seen.requests, chunk.toString());
    });
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const time = new ManualTime();
  const http = new InstanceHttp(time, 2);
  const { port } = server.address() as AddressInfo;
  return { time, seen, send: (request: InstanceRequest) => http.send('127.0.0.1', port, request) };
}

describe('requests to instances', () => {
  it('share a connection, and leave no timer behind', async () => {
    const texts: string[] = [];
    const { send, seen, time } = await serve((socket, _, text) => {
      texts.push(text);
      socket.write(OK);
    });
    await send(POST);
    const answer = await send({ ...GET, headers: { 'if-match': '"3"' } });
    expect([answer.status, answer.body.toString()]).toEqual([200, '{}']);
    expect(seen).toEqual({ requests: 2, connections: 1 });
    expect(texts[0]).toMatch(/content-length: 10\r\n\r\n/i);
    expect(texts[0]?.endsWith('{"a":"ä"}')).toBe(true);
    expect(texts[1]).toMatch(/if-match: "3"/i);
    expect(time.sleeping).toBe(0);
  });

  it('end after the time that an answer may take', async () => {
    const { send, time } = await serve(() => {});
    const late = expect(send(POST)).rejects.toMatchObject({
      code: 'database.failed',
      message: expect.stringContaining('within 10 s; the change may have been made') as string,
    });
    await time.advance(10_000);
    await late;
  });

  it.each([
    ['no answer', ''],
    ['half an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{'],
    ['no HTTP', 'hello\r\n\r\n'],
  ])('fail with %s on a closed connection', async (_, text) => {
    const { send, seen } = await serve((socket) => socket.end(text));
    await expect(send(GET)).rejects.toMatchObject({ code: 'database.failed' });
    await expect(send(POST)).rejects.toMatchObject({ code: 'database.failed' });
    expect(seen.requests).toBe(2);
  });

  it('read a bounded part of an answer', async () => {
    const { send } = await serve((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = Buffer.alloc(1024 * 1024, 'a');
      const write = () => {
        if (!socket.destroyed)
          socket.write(Buffer.concat([Buffer.from('100000\r\n'), chunk, Buffer.from('\r\n')]), write);
      };
      write();
    });
    await expect(send(GET)).rejects.toMatchObject({
      code: 'request.invalid',
      fields: [{ path: 'per_page' }],
    });
  });

  it('are sent again when they only read, after the connection was reset', async () => {
    const { send, seen } = await serve((socket, request) => {
      if (request % 2 === 1) socket.write(OK);
      else socket.resetAndDestroy();
    });
    await send(GET);
    expect((await send(GET)).status).toBe(200);
    expect(seen).toEqual({ requests: 3, connections: 2 });
    await expect(send(POST)).rejects.toMatchObject({ code: 'database.failed' });
    expect(seen.requests).toBe(4);
  });
});
