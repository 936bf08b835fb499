import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { requestTrusted, signWebhook } from './webhook.ts';

it('signs as the reference library of Standard Webhooks does', () => {
  const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestampS: 1_614_265_330,
    body: '{"test": 2432232314}',
  };
  expect(signWebhook(message, secret)).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

const never = new AbortController().signal;

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
}

it('connects to ports that fetch refuses', async () => {
  await expect(requestTrusted('http://127.0.0.1:1/token', { method: 'GET' }, never)).rejects.toThrow(
    /^cannot reach http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/,
  );
});

it('takes an answer that comes before the request is read, and that does not end', async () => {
  const url = await listen((_request, response) => {
    response.writeHead(200).write('x');
  });
  await requestTrusted(url, { method: 'POST', body: 'x'.repeat(5_000_000) }, never);
});

it.each([
  [429, '120', 120_000],
  [503, ' 7 ', 7_000],
  [503, '0', 0],
  [503, '9'.repeat(40), 86_400_000],
  [429, 'Thu, 01 Jan 1970 00:00:00 GMT', 0],
  [429, 'Fri, 31 Dec 9999 23:59:59 GMT', 86_400_000],
  [429, 'soon', undefined],
  [429, '-5', 0],
  [503, '', undefined],
  [500, '120', undefined],
  [302, '120', undefined],
])('after %i with Retry-After: %s, asks for a wait of %s ms', async (status, header, expected) => {
  const url = await listen((_request, response) =>
    response.writeHead(status, { 'retry-after': header }).end(),
  );
  const failure: unknown = await requestTrusted(url, { method: 'POST', body: '{}' }, never).catch(
    (error: unknown) => error,
  );
  expect((failure as Error).message).toContain(`answered ${status}`);
  expect((failure as { retryAfterMs?: number }).retryAfterMs).toBe(expected);
});

it('reports a connection that is closed without an answer', async () => {
  const closed = await listen((request) => request.socket.destroy());
  await expect(requestTrusted(closed, { method: 'GET' }, never)).rejects.toThrow(/cannot reach .*hang up/);
  const upgraded = await listen((request) =>
    request.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
  );
  await expect(requestTrusted(upgraded, { method: 'GET' }, never)).rejects.toThrow(
    /closed without an answer/,
  );
});
