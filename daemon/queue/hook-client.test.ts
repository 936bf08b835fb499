import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { HookClient } from './hook-client.ts';

it('answers also after it was closed, and keeps no connection then, which would hold up the end of the process', async () => {
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

it('asks port 80 where that is the one that is named', async () => {
  // Nobody can be connected to there, and no packet leaves the host.
  const client = new HookClient({ url: 'http://255.255.255.255:80', hookToken: 'token' });
  await expect(client.call('stats', {})).rejects.toThrow('255.255.255.255:80');
});
