import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type FloodKind, flood, measureEvery, percentile, requests, slowBodies } from '../helpers/flood.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, signUp } from '../helpers/http-call.ts';

/** `FLOOD_SECONDS=600` is the complete test. */
const DURATION_MS = Number(process.env['FLOOD_SECONDS'] ?? 10) * 1000;
/** The logs of PocketBase reach their size within the first minute. */
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;
const MAX_HEALTH_P99_MS = 100;
const STRANGERS = Array.from({ length: 20 }, (_, n) => `127.0.1.${n + 1}`);

let count = 0;
const unique = (prefix: string, length = 0) => `${prefix}${count++}${'x'.repeat(length)}`;
const HUGE = { 'user-agent': 'u'.repeat(4000), referer: 'r'.repeat(4000) };

/** Requests to a PocketBase. */
const toPocketBase = (name: string, url: string): FloodKind[] => [
  requests(`${name}: long URLs`, url, { path: () => unique('/', 16_000), headers: HUGE }),
  requests(`${name}: the page /`, url, { path: () => '/' }),
  requests(`${name}: unknown collections`, url, {
    path: () => unique('/api/collections/no', 3000) + '/records',
    headers: HUGE,
  }),
  requests(`${name}: unknown routes`, url, { path: () => unique('/api/none', 3000), headers: HUGE }),
  requests(`${name}: missing files`, url, { path: () => unique('/api/files/users/no/', 3000) }),
  requests(`${name}: odd tokens`, url, {
    path: () => '/api/collections/users/records',
    headers: { authorization: 'x'.repeat(8000) },
  }),
  requests(`${name}: guessed passwords`, url, {
    method: 'POST',
    path: () => '/api/collections/users/auth-with-password',
    body: JSON.stringify({ identity: 'ann@example.com', password: 'wrong' }),
  }),
  requests(`${name}: headers without end`, url, {
    path: () => '/',
    headers: { 'x-long': 'x'.repeat(15_000) },
  }),
];

/** Requests to the API of the daemon. */
const toDaemon = (url: string): FloodKind[] => [
  requests('API: unknown routes', url, { path: () => unique('/api/v1/none', 3000), headers: HUGE }),
  requests('API: nested JSON', url, {
    method: 'POST',
    path: () => '/api/v1/auth/login',
    body: '['.repeat(32_000),
  }),
  requests('API: guessed passwords', url, {
    method: 'POST',
    path: () => '/api/v1/auth/login',
    body: JSON.stringify({ email: 'ann@example.com', password: 'wrong' }),
  }),
  requests('API: odd keys', url, {
    path: () => '/api/v1/me',
    headers: { authorization: `Bearer ${'k'.repeat(4000)}` },
  }),
];

function bytesIn(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    // A file can disappear in between.
    if (entry.isFile())
      bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

it(
  'strangers neither fill the disk nor keep an honest user from signing in',
  async () => {
    const fathom = await deployment();
    await fathom.start();
    const { database } = await signUp(fathom.url, 'ann@example.com');
    // From its usual address, the honest user has counts of its own.
    const signIn = async () => {
      const body = { email: 'ann@example.com', password: PASSWORD };
      return (await call('POST', `${fathom.url}/api/v1/auth/login`, { body })).status;
    };
    expect(await signIn()).toBe(200);
    const before = bytesIn(fathom.dataDir);

    const over = AbortSignal.timeout(DURATION_MS);
    const statuses: number[] = [];
    const [report, health] = await Promise.all([
      flood(
        [
          ...toPocketBase('global', fathom.globalUrl),
          ...toPocketBase('database', database.url),
          ...toDaemon(fathom.url),
          slowBodies('global: slow bodies', fathom.globalUrl, '/api/collections/users/records', {
            parallel: 400,
            durationMs: DURATION_MS,
          }),
        ],
        { durationMs: DURATION_MS, addresses: STRANGERS },
      ),
      measureEvery(200, over, async () => {
        expect((await call('GET', `${fathom.url}/health`)).status).toBe(200);
      }),
      measureEvery(1000, over, async () => {
        statuses.push(await signIn());
      }),
    ]);
    const growth = bytesIn(fathom.dataDir) - before;
    const p99 = percentile(health, 0.99);
    console.info(
      `${DURATION_MS / 1000} s, ${JSON.stringify(report.sent)}; growth ${growth} bytes; /health p99 ${p99.toFixed(1)} ms; ${statuses.length} sign-ins`,
    );
    expect(Object.keys(report.sent)).toHaveLength(21);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
    // Clients and servers share the processors of a small host, so a short run only reports the time.
    if (process.env['FLOOD_SECONDS'] !== undefined) expect(p99).toBeLessThan(MAX_HEALTH_P99_MS);
  },
  DURATION_MS + 120_000,
);
