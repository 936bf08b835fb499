import { request } from 'node:http';
import { expect, it } from 'vitest';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { call } from '../helpers/http-call.ts';

const shared = sharedDeployment();

interface Raw {
  status: number | undefined;
  headers: Record<string, unknown>;
  body: Buffer;
}

/** A response as it is sent: `fetch` decompresses. */
function raw(path: string, encodings = '', method = 'GET'): Promise<Raw> {
  return new Promise((resolve, reject) => {
    request(
      `${shared.fathom.url}${path}`,
      { method, headers: { 'accept-encoding': encodings } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      },
    )
      .on('error', reject)
      .end();
  });
}

async function assets(): Promise<string[]> {
  const index = (await raw('/')).body.toString();
  return [...index.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, path]) => `/${path}`);
}

it('sends the page with a policy that allows nothing from elsewhere and nothing inline', async () => {
  const { status, headers } = await raw('/');
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
  const policy = String(headers['content-security-policy']).split(';');
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
  ])
    expect(policy).toContain(rule);
  expect(policy.join()).not.toMatch(/unsafe|http|\*/);
});

it('takes at most 200 KB for the first load, in compressed files that browsers keep', async () => {
  const paths = await assets();
  expect(paths.length).toBeGreaterThanOrEqual(2);
  let bytes = (await raw('/', 'gzip, br')).body.length;
  for (const path of paths) {
    const { headers, body } = await raw(path, 'gzip, br');
    expect(headers).toMatchObject({
      'content-encoding': 'br',
      vary: expect.stringMatching(/accept-encoding/i),
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
    bytes += body.length;
  }
  expect(bytes).toBeLessThan(200_000);
});

it.each([
  ['', undefined],
  ['gzip', 'gzip'],
  ['gzip, deflate, br, zstd', 'br'],
  ['br;q=0, gzip;q=0.5', 'gzip'],
  ['identity', undefined],
])('answers Accept-Encoding "%s" with %s', async (accepted, encoding) => {
  const { status, headers } = await raw('/', accepted);
  expect([status, headers['content-encoding']]).toEqual([200, encoding]);
});

it('answers HEAD without a body', async () => {
  const { status, body } = await raw('/', '', 'HEAD');
  expect([status, body.length]).toEqual([200, 0]);
});

it.each([
  '/api',
  '/api/v1/unknown',
  '/unknown',
  '/index.html',
  '/assets',
  '/assets/',
  '/assets/unknown.js',
  '/assets/..%2findex.html',
  '/assets/%2e%2e%2f%2e%2e%2fLICENSES.txt',
  '/assets/__proto__',
])('answers %s with a problem', async (path) => {
  const { status, headers, body } = await raw(path);
  expect([status, headers['content-type']]).toEqual([404, 'application/problem+json']);
  expect(JSON.parse(body.toString())).toMatchObject({ code: 'not_found' });
});

it('is not served with FATHOM_WEB=off, and the API is', async () => {
  const { fathom } = shared;
  const [script = ''] = await assets();
  const off = await deployment({ FATHOM_WEB: 'off' });
  await off.start();
  expect((await call('GET', `${off.url}/`)).body).toMatchObject({ status: 404, code: 'not_found' });
  expect((await call('GET', `${off.url}${script}`)).status).toBe(404);
  expect((await call('GET', `${off.url}/health`)).status).toBe(200);
  expect((await call('GET', `${fathom.url}/`)).status).toBe(200);
});
