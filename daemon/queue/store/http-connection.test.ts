import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../../test/helpers/until.ts';
import { HttpConnection } from './http-connection.ts';

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n';

/** A connection to a server that calls `answer` for each chunk that arrives. */
async function connected(answer: (socket: Socket, text: string) => void, timeoutMs = 20_000) {
  const server = createServer((socket) => {
    socket.setNoDelay(true).setEncoding('utf8');
    socket.on('data', (text) => answer(socket, String(text)));
    // The test ends the connection.
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connection = new HttpConnection({ host: '127.0.0.1', port, timeoutMs });
  onTestFinished(() => {
    connection.close();
    server.close();
  });
  return connection;
}

const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

const ask = (connection: HttpConnection) => connection.send('/path', { host: 'here' }, '{"é":1}');

describe('a persistent connection', () => {
  it('sends one request after the other and returns status and body', async () => {
    const received: string[] = [];
    const connection = await connected((socket, text) => {
      received.push(text);
      const body = `n° ${received.length}`;
      socket.write(`${HEAD}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
    expect(await ask(connection)).toEqual({ status: 200, body: 'n° 1' });
    expect(connection.isIdle).toBe(true);
    expect(await ask(connection)).toEqual({ status: 200, body: 'n° 2' });
    expect(received[1]).toBe('POST /path HTTP/1.1\r\nhost: here\r\ncontent-length: 8\r\n\r\n{"é":1}');
  });

  it('joins a chunked response that arrives in parts', async () => {
    const chunks = chunk('{"é') + chunk('":"long é"}') + chunk('');
    const whole = Buffer.from(`HTTP/1.1 503 Unavailable\r\ntransfer-encoding: chunked\r\n\r\n${chunks}`);
    let cut = 0;
    const connection = await connected((socket) => {
      socket.write(whole.subarray(0, cut));
      setImmediate(() => socket.write(whole.subarray(cut)));
    });
    for (cut = 1; cut < whole.length; cut += 1) {
      expect(await ask(connection), `cut at ${cut}`).toEqual({ status: 503, body: '{"é":"long é"}' });
    }
  });

  it('is not reused when the server closes it', async () => {
    const connection = await connected((socket) =>
      socket.write(`${HEAD}connection: close\r\ncontent-length: 2\r\n\r\nok`),
    );
    expect(await ask(connection)).toMatchObject({ body: 'ok' });
    expect(connection.isIdle).toBe(false);
    expect(connection.isClosed).toBe(true);
  });

  it.each([
    ['ends without an answer', ''],
    ['ends in the middle of its answer', `${HEAD}content-length: 9\r\n\r\nhalf`],
    ['does not speak HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ])('fails when the server %s', async (_, answer) => {
    const connection = await connected((socket) => socket.end(answer));
    await expect(ask(connection)).rejects.toThrow();
    expect(connection.isClosed).toBe(true);
  });

  it('fails when no response arrives in time, and when no server listens', async () => {
    const connection = await connected(() => {}, 50);
    await expect(ask(connection)).rejects.toThrow('0.05 s');
    const unused = new HttpConnection({ host: '127.0.0.1', port: 1, timeoutMs: 1_000 });
    await expect(ask(unused)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('closes when a response arrives without a request', async () => {
    let server: Socket | undefined;
    const connection = await connected((socket) => {
      server = socket;
      socket.write(`${HEAD}content-length: 2\r\n\r\nok`);
    });
    await ask(connection);
    server?.write(`${HEAD}content-length: 2\r\n\r\nno`);
    await until(() => connection.isClosed, { what: 'the end of the connection' });
  });

  it('closes when a second response begins in the chunk of the first', async () => {
    const connection = await connected((socket) =>
      socket.write(`${HEAD}content-length: 2\r\n\r\nok${HEAD}content-length: 40\r\n\r\nno`),
    );
    expect(await ask(connection)).toMatchObject({ body: 'ok' });
    expect(connection.isIdle).toBe(false);
  });
});
