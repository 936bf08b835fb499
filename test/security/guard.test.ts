import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import { requestLogFileOf } from '../../daemon/supervisor/instance-spec.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { controlPlane, databaseRows } from '../helpers/fleet-state.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { PASSWORD, type Session, signUp } from '../helpers/http-call.ts';
import { asSuperuser, superuserToken } from '../helpers/instance-superuser.ts';
import { fleetProcesses } from '../helpers/leaks.ts';

/** Another address of this host, which the daemon does not use. */
const STRANGER = '127.0.1.9';
const SIGN_IN = '/api/collections/users/auth-with-password';

interface Shot {
  from?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

function statusOf(
  url: string,
  { from = STRANGER, method = 'GET', headers = {}, body }: Shot = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { localAddress: from, method, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

async function rowOf(fathom: Deployment, { database }: Session) {
  const row = (await databaseRows(fathom)).find(({ port }) => port === database.port);
  if (!row) throw new Error('the user has no database');
  return row;
}

describe('superusers', () => {
  const shared = sharedDeployment();

  it('are refused from other addresses, also with a forged X-Forwarded-For', async () => {
    const { fathom } = shared;
    const ann = await signUp(fathom.url, 'ann@example.com');
    const row = await rowOf(fathom, ann);
    const authorization = await superuserToken(fathom, row);
    const settings = `${ann.database.url}/api/settings`;
    expect(await statusOf(settings, { from: '127.0.0.1', headers: { authorization } })).toBe(200);
    for (const forged of [
      '127.0.0.1',
      '::1',
      '127.0.0.1, 127.0.0.1',
      '0:0:0:0:0:0:0:1',
      '::ffff:127.0.0.1',
    ]) {
      const headers = {
        authorization,
        'x-forwarded-for': forged,
        'x-real-ip': forged,
        forwarded: `for=${forged}`,
      };
      expect(await statusOf(settings, { headers })).toBe(403);
    }
    const body = JSON.stringify({ identity: fathom.admin.email, password: fathom.admin.password });
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': '127.0.0.1' };
    const signIn = `${fathom.globalUrl}/api/collections/_superusers/auth-with-password`;
    expect(await statusOf(signIn, { method: 'POST', headers, body })).toBe(403);
    expect(await statusOf(signIn, { from: '127.0.0.1', method: 'POST', headers, body })).toBe(200);
  });

  it('keep what they changed themselves, and the list is never empty', async () => {
    const { fathom } = shared;
    const beth = await signUp(fathom.url, 'beth@example.com');
    const row = await rowOf(fathom, beth);
    const superuser = await asSuperuser(fathom, row);
    const { logs } = await superuser.settings.getAll();
    await superuser.settings.update({
      superuserIPs: ['127.0.1.0/24'],
      logs: { ...(logs as object), maxDays: 2 },
      rateLimits: { enabled: false },
    });
    await fathom.client.databases.restart(row.name);
    const changed = await (await asSuperuser(fathom, await rowOf(fathom, beth))).settings.getAll();
    expect(changed).toMatchObject({
      superuserIPs: ['127.0.1.0/24', '127.0.0.1', '::1'],
      logs: { maxDays: 2 },
      rateLimits: { enabled: true },
    });
    const authorization = await superuserToken(fathom, row);
    expect(await statusOf(`${beth.database.url}/api/settings`, { headers: { authorization } })).toBe(200);
    const global = await (await controlPlane(fathom)).settings.update({ superuserIPs: [] });
    expect(global['superuserIPs']).toEqual(['127.0.0.1', '::1']);
  });
});

it('a client behind a proxy of this host is not taken for the host', async () => {
  const fathom = await deployment({ TRUSTED_PROXIES: '127.0.0.1' });
  await fathom.start();
  const ann = await signUp(fathom.url, 'ann@example.com');
  const authorization = await superuserToken(fathom, await rowOf(fathom, ann));
  const settings = `${ann.database.url}/api/settings`;
  const through = (forwarded: string) =>
    statusOf(settings, { from: '127.0.0.1', headers: { authorization, 'x-forwarded-for': forwarded } });
  // A proxy adds the address that it sees to what the client has sent.
  expect(await through('203.0.113.7')).toBe(403);
  expect(await through('127.0.0.1, 203.0.113.7')).toBe(403);
  expect(await through('127.0.0.1, ::1, 2001:db8::7')).toBe(403);
  expect(await statusOf(settings, { from: '127.0.0.1', headers: { authorization } })).toBe(200);
});

describe('the log of PocketBase', () => {
  it('is limited from the first start, in every instance', async () => {
    const fathom = await deployment({}, { empty: true });
    await fathom.start();
    const { database } = await signUp(fathom.url, 'ann@example.com');
    const databases = join(fathom.dataDir, 'user_dbs');
    for (const directory of [join(fathom.dataDir, 'global'), join(databases, database.name)]) {
      const names = withDatabase(requestLogFileOf(directory), { readOnly: true }, (log) =>
        log.prepare("SELECT name FROM sqlite_master WHERE name GLOB '_fathom_log_*' ORDER BY name").all(),
      ).map(({ name }) => name);
      expect(names).toEqual([
        '_fathom_log_attempts',
        '_fathom_log_attempts_until',
        '_fathom_log_failures',
        '_fathom_log_kind',
        '_fathom_log_length',
        '_fathom_log_rate',
        '_fathom_log_rows',
      ]);
    }
  });
});

it('paths outside of /api/ are limited, and sign-ins go on', async () => {
  const fathom = await deployment({ RATE_LIMIT_PER_MINUTE: '30' });
  await fathom.start();
  const { database } = await signUp(fathom.url, 'ann@example.com');
  for (const url of [database.url, fathom.globalUrl]) {
    const paths = Array.from({ length: 40 }, (_, n) => `${url}/none/${n}?x=${n}`);
    const statuses = await Promise.all(paths.map((path) => statusOf(path)));
    expect(statuses.filter((status) => status === 404)).toHaveLength(30);
    expect(statuses.filter((status) => status === 429)).toHaveLength(10);
    const body = JSON.stringify({ identity: 'ann@example.com', password: PASSWORD });
    const headers = { 'content-type': 'application/json' };
    expect(await statusOf(`${url}${SIGN_IN}`, { method: 'POST', headers, body })).toBe(200);
  }
});

it('every instance creates one thumbnail at a time', async () => {
  const fathom = await deployment();
  await fathom.start();
  const { database } = await signUp(fathom.url, 'ann@example.com');
  const processes = await fleetProcesses(fathom.dataDir);
  expect(processes.map(({ instance }) => instance).toSorted()).toEqual([database.name, 'global'].toSorted());
  for (const { pid } of processes) {
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')).toContain('PB_THUMBS_MAX_WORKERS=1');
  }
});

it('every thread of a user instance goes behind the daemon and the global PocketBase', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  await signUp(fathom.url, 'ann@example.com');
  const own = getPriority(daemon.pid);
  for (const { instance, pid } of await fleetProcesses(fathom.dataDir)) {
    const threads = readdirSync(`/proc/${pid}/task`).map((tid) => getPriority(Number(tid)));
    expect(new Set(threads)).toEqual(new Set([instance === 'global' ? own : Math.min(19, own + 5)]));
  }
});

describe('the global PocketBase', () => {
  const shared = sharedDeployment();
  const json = { 'content-type': 'application/json' };

  it('refuses bodies that are large or of unknown length, and long headers', async () => {
    const url = `${shared.fathom.globalUrl}${SIGN_IN}`;
    const large = JSON.stringify({ identity: 'x'.repeat(64 * 1024), password: PASSWORD });
    expect(await statusOf(url, { method: 'POST', headers: json, body: large })).toBe(413);
    expect(
      await statusOf(url, {
        method: 'GET',
        headers: { ...json, 'content-length': '65537' },
        body: large.slice(0, 65537),
      }),
    ).toBe(413);
    const chunked = { ...json, 'transfer-encoding': 'chunked' };
    expect(await statusOf(url, { method: 'POST', headers: chunked, body: '{}' })).toBe(411);
    expect(await statusOf(url, { headers: { 'x-long': 'x'.repeat(40 * 1024) } })).toBe(431);
    // Without a body nothing is refused.
    expect(await statusOf(`${shared.fathom.globalUrl}/api/health`)).toBe(200);
  });

  it('ends a request whose body does not arrive', async () => {
    const { hostname, port } = new URL(shared.fathom.globalUrl);
    const socket = connect({ host: hostname, port: Number(port), localAddress: STRANGER });
    onTestFinished(() => {
      socket.destroy();
    });
    socket.write(
      `POST ${SIGN_IN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{`,
    );
    const ended = AbortSignal.timeout(100_000);
    // PocketBase itself waits for 300 s.
    const [answer] = (await once(socket, 'data', { signal: ended })) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
  });
});
