import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { textWith } from '../../../test/helpers/text-with.ts';
import { until } from '../../../test/helpers/until.ts';
import { HookClient } from './hook-client.ts';

it('closes the connection of a call that was made after the close', async () => {
  const server = createServer((_, response) => response.end('{"ok":true}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new HookClient({ url: `http://127.0.0.1:${port}`, hookToken: 'token' });
  onTestFinished(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  const ended = once(server, 'connection').then(([socket]) => once(socket, 'close'));
  client.close();
  expect(await client.call('stats', {})).toEqual({ ok: true });
  await ended;
});

it('connects to port 80 when the URL names it', async () => {
  // No host can have this address, and no packet leaves this one.
  const client = new HookClient({ url: 'http://255.255.255.255:80', hookToken: 'token' });
  await expect(client.call('stats', {})).rejects.toThrow('255.255.255.255:80');
});

const MOST = 64;

/** A server that responds to each request when the test calls `answer`. */
async function manualServer() {
  const asked: { n: number; answer: () => void }[] = [];
  const server = createServer((request, response) => {
    request.setEncoding('utf8').once('data', (text) => {
      asked.push({ n: Number(JSON.parse(String(text)).id), answer: () => response.end('{}') });
    });
  });
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    made: () => connections,
  };
}

describe('requests beyond the limit of connections', () => {
  it('wait in the order of their calls', async () => {
    const { url, asked, made } = await manualServer();
    const client = new HookClient({ url, hookToken: 'token' });
    onTestFinished(() => client.close());
    const calls = Array.from({ length: MOST + 20 }, (_, n) => client.call('get', { id: String(n) }));
    await until(() => asked.length === MOST, { what: 'all connections to be taken' });
    // Each response frees one connection.
    for (const [at, call] of calls.entries()) {
      const { answer } = await until(() => asked.find(({ n }) => n === at), { what: `request ${at}` });
      answer();
      await call;
    }
    const waited = asked.slice(MOST).map(({ n }) => n);
    expect(waited).toEqual(Array.from({ length: 20 }, (_, n) => MOST + n));
    expect(made()).toBe(MOST);
  });

  it('are rejected after a timeout', async () => {
    const { url } = await manualServer();
    const client = new HookClient({ url, hookToken: 'token', timeoutMs: 100 });
    onTestFinished(() => client.close());
    const calls = Array.from({ length: MOST + 1 }, () => client.call('stats', {}));
    await expect(calls.at(-1)).rejects.toMatchObject({
      code: 'control_plane.unavailable',
      message: textWith(MOST),
    });
    await Promise.allSettled(calls);
  });
});
