import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { download } from './http-download.ts';

const BOUNDS = { maxBytes: 1_000, timeoutMs: 20_000 };

/** Returns the address of the server, and what was requested. */
async function serve(listener: RequestListener): Promise<{ url: string; requested: string[] }> {
  const requested: string[] = [];
  const server = createServer((request, response) => {
    requested.push(`${request.headers.host} ${request.url}`);
    listener(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '0.0.0.0', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requested };
}

it('follows redirects, but not for ever', async () => {
  const { url, requested } = await serve((request, response) => {
    if (request.url === '/file') response.end('content');
    else response.writeHead(302, { location: request.url === '/loop' ? '/loop' : 'file' }).end();
  });
  expect(String(await download(`${url}/first`, BOUNDS))).toBe('content');
  await expect(download(`${url}/loop`, BOUNDS)).rejects.toThrow('redirects more than 5 times');
  expect(requested).toHaveLength(8);
});

it('sends no request to an address without TLS, also when it would lead back', async () => {
  const { url, requested } = await serve((request, response) => {
    const { port } = new URL(url);
    // 127.0.0.2 is this host, and not one of the names that are allowed without TLS.
    const location = request.url === '/file' ? `http://127.0.0.2:${port}/between` : `${url}/end`;
    if (request.url === '/end') response.end('content');
    else response.writeHead(302, { location }).end();
  });
  await expect(download(`${url}/file`, BOUNDS)).rejects.toThrow('which is not https');
  expect(requested).toHaveLength(1);
});

it('gives up a server that is silent, before or in the middle of the file', async () => {
  const { url } = await serve((request, response) => {
    if (request.url === '/middle') response.writeHead(200).write('begins');
  });
  const bounds = { ...BOUNDS, silenceMs: 200 };
  await expect(download(`${url}/before`, bounds)).rejects.toThrow('sent nothing for 0.2 s');
  await expect(download(`${url}/middle`, bounds)).rejects.toThrow('sent nothing for 0.2 s');
});
