import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../base/time/clock.ts';
import { CertificateWatch } from './certificate-watch.ts';

const DAY_MS = 86_400_000;

let directory: string;
let server: Server;
let url: string;
let connections = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-certificate-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await execa('openssl', [
    'req',
    '-x509',
    '-days',
    '20',
    ...kind,
    '-keyout',
    key,
    '-out',
    cert,
    '-subj',
    '/CN=a',
  ]);
  server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (socket) => {
    socket.on('error', () => {});
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true, force: true });
});

/** A clock that is some days ahead. */
const inDays = (days: number) => ({
  ...systemClock,
  now: () => new Date(Date.now() + days * DAY_MS),
});

it.each([
  [0, []],
  [7, ['warning the certificate expires in 12 days']],
  [18.5, ['warning the certificate expires in 1 day']],
  [21, ['critical the certificate has expired']],
])('in %s days, finds %o', async (days, expected) => {
  const found = await new CertificateWatch(inDays(days)).findProblems(url);
  const lines = found?.map(({ severity, text }) => `${severity} ${text.replace(` of ${url}`, '')}`);
  expect(lines?.map((line) => line.replace(/ on .*/, ''))).toEqual(expected);
});

it('connects once in an hour', async () => {
  const watch = new CertificateWatch(systemClock);
  const before = connections;
  for (let round = 0; round < 3; round += 1) expect(await watch.findProblems(url)).toEqual([]);
  expect(connections - before).toBe(1);
});

it('does not know a certificate that it cannot read, and finds none without https', async () => {
  const watch = new CertificateWatch(systemClock);
  expect(await watch.findProblems('https://127.0.0.1:1')).toBeNull();
  expect(await watch.findProblems('http://127.0.0.1:1')).toEqual([]);
  expect(await watch.findProblems(null)).toEqual([]);
});
