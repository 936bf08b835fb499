import { connect } from 'node:net';
import PocketBase from 'pocketbase';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SERVE } from '../helpers/deployment.ts';
import { controlPlane, type DatabaseRow, databaseRows } from '../helpers/fleet-state.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { until } from '../helpers/until.ts';

const login = (url: string, email: string, password: string, headers = {}) =>
  call('POST', `${url}/api/v1/auth/login`, { body: { email, password }, headers });

const at = (address: string) => ({ 'x-forwarded-for': address });

describe('behind trusted proxies', () => {
  const shared = sharedDeployment({
    SIGN_IN_FAILURES_PER_ACCOUNT: '4',
    TRUSTED_PROXIES: '127.0.0.0/8,10.1.0.0/16',
    CORS_ORIGINS: 'https://app.example.com',
  });

  it('guessing passwords ends after some failures, at both doors, with the time to wait; the owner is let in where they were', async () => {
    const { fathom } = shared;
    await signUp(fathom.url, 'ann@example.com');
    expect((await login(fathom.url, 'ann@example.com', PASSWORD, at('10.0.0.9'))).status).toBe(200);
    for (const address of ['10.0.0.1', '10.0.0.2']) {
      expect((await login(fathom.url, 'ann@example.com', 'x', at(address))).status).toBe(401);
    }
    const direct = new PocketBase(fathom.globalUrl).collection('users');
    for (let count = 0; count < 2; count += 1) {
      await expect(direct.authWithPassword('ANN@example.com', 'x')).rejects.toMatchObject({ status: 400 });
    }
    const limited = await login(fathom.url, 'ann@example.com', PASSWORD, at('10.0.0.3'));
    expect(limited).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(60);
    const there = await call('POST', `${fathom.globalUrl}/api/collections/users/auth-with-password`, {
      body: { identity: 'ann@example.com', password: PASSWORD },
      headers: { origin: 'https://app.example.com' },
    });
    expect(there.status).toBe(429);
    expect(Number(there.headers.get('retry-after'))).toBeGreaterThan(60);
    expect(there.headers.get('access-control-expose-headers')).toBe('Retry-After');
    // A stranger cannot lock the owner out.
    expect((await login(fathom.url, 'ann@example.com', PASSWORD, at('10.0.0.9'))).status).toBe(200);
    // A proxy that adds the port of the client does not make each connection another address.
    for (const port of [1, 2, 3, 4]) {
      const from = at(`192.0.2.9:${port}`);
      expect((await login(fathom.url, `nobody${port}@example.com`, 'x', from)).status).toBe(401);
    }
    const { items } = await fathom.client.audit.list({ action: 'sign-in' });
    expect(items[0]?.address).toBe('192.0.2.9');
    // Nor does it tell whether there is such an account.
    for (let count = 0; count < 4; count += 1) await login(fathom.url, 'no@example.com', 'x', at('10.2.0.1'));
    expect((await login(fathom.url, 'no@example.com', 'x', at('10.2.0.1'))).status).toBe(429);
  });

  it('sign-ins at the global PocketBase are counted where the first that is not trusted says they come from', async () => {
    const { fathom } = shared;
    await signUp(fathom.url, 'beth@example.com');
    const body = { identity: 'beth@example.com', password: PASSWORD };
    const headers = at('10.7.7.7, 192.0.2.7, 10.1.2.3');
    const url = `${fathom.globalUrl}/api/collections/users/auth-with-password`;
    expect((await call('POST', url, { body, headers })).status).toBe(200);
    const query = { action: 'sign-in' };
    const { items } = await fathom.client.audit.list(query);
    expect(items[0]?.address).toBe('192.0.2.7');
  });

  it('the id of a request comes from the proxy, when it is one', async () => {
    const { fathom } = shared;
    const idOf = async (given: string) => {
      const answer = await call('GET', `${fathom.url}/health`, { headers: { 'x-request-id': given } });
      return answer.headers.get('x-request-id');
    };
    for (const id of ['0af7651916cd43dd8448eb211c80319c', 'Root=1-abc'.replace('=', ':')])
      expect(await idOf(id)).toBe(id);
    for (const id of ['short', 'with space in it', 'a"b"c"d"e"f"', 'x'.repeat(129), '-starts-with-dash'])
      expect(await idOf(id)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers carry the headers that browsers heed, and CORS for the origins on the list alone', async () => {
    const { fathom } = shared;
    const from = async (origin: string) => {
      const { headers } = await call('GET', `${fathom.url}/health`, { headers: { origin } });
      return headers;
    };
    const headers = await from('https://app.example.com');
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('strict-transport-security')).toContain('max-age');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect((await from('https://evil.example.com')).get('access-control-allow-origin')).toBeNull();
  });
});

describe('guessing passwords', () => {
  it('of superusers from addresses that are not allowed gets 403, and does not lock them', async () => {
    const fathom = await deployment({
      SIGN_IN_FAILURES_PER_ACCOUNT: '3',
      SIGN_IN_FAILURES_PER_ADDRESS: '3',
      TRUSTED_PROXIES: '127.0.0.1',
    });
    await fathom.start();
    const url = `${fathom.globalUrl}/api/collections/_superusers/auth-with-password`;
    const guess = async (password: string, address: string) => {
      const body = { identity: fathom.admin.email, password };
      return (await call('POST', url, { body, headers: at(address) })).status;
    };
    for (let count = 0; count < 5; count += 1) expect(await guess('x', `192.0.2.${count}`)).toBe(403);
    // Whether the password is right does not show.
    expect(await guess(fathom.admin.password, '192.0.2.9')).toBe(403);
    const { items } = await fathom.client.audit.list({ action: 'sign-in' });
    expect(items[0]).toMatchObject({ outcome: 'refused', address: '192.0.2.9' });
    expect(await guess(fathom.admin.password, '127.0.0.1')).toBe(200);
    for (let count = 0; count < 3; count += 1) expect(await guess('x', '::1')).toBe(400);
    expect(await guess('x', '::1')).toBe(429);
  });

  it('ends for an address, with any account', async () => {
    const fathom = await deployment({ SIGN_IN_FAILURES_PER_ADDRESS: '3' });
    await fathom.start();
    // X-Forwarded-For is ignored, as no proxy is trusted.
    const statuses = [];
    for (let count = 0; count < 4; count += 1) {
      statuses.push((await login(fathom.url, `${count}@example.com`, 'x', at(`10.0.0.${count}`))).status);
    }
    expect(statuses).toEqual([401, 401, 401, 429]);
    // At once, too.
    const atOnce = await Promise.all([1, 2, 3].map((n) => login(fathom.url, `${n}@example.com`, 'x')));
    expect(atOnce.map(({ status }) => status)).toEqual([429, 429, 429]);
  });
});

describe('guessing passwords straight at a database', () => {
  it('ends for an address, also where the database was made before; the last proxy says who that is', async () => {
    const fathom = await deployment({ TRUSTED_PROXIES: '127.0.0.0/8' });
    const first = await fathom.start();
    const ann = await signUp(fathom.url, 'ann@example.com');
    const limitOf = async (name: string) => {
      const row = (await databaseRows(fathom)).find((one) => one.name === name);
      const { rateLimits, trustedProxy } = await (
        await asSuperuser(fathom, row as DatabaseRow)
      ).settings.getAll();
      expect(trustedProxy.headers).toEqual(['X-Forwarded-For']);
      return (rateLimits as { rules: { label: string; maxRequests: number }[] }).rules[0];
    };
    expect(await limitOf(ann.database.name)).toMatchObject({ label: '*:auth', maxRequests: 100 });
    await first.stop();

    await fathom.start({ SIGN_IN_FAILURES_PER_ADDRESS: '3' });
    const bob = await signUp(fathom.url, 'bob@example.com');
    await fathom.client.databases.start(ann.database.name);
    for (const { database, user } of [await signIn(fathom.url, 'ann@example.com'), bob]) {
      expect(await limitOf(database.name)).toMatchObject({ label: '*:auth', maxRequests: 3 });
      const guess = async (password: string, address: string) => {
        const body = { identity: user.email, password };
        const url = `${database.url}/api/collections/users/auth-with-password`;
        return (await call('POST', url, { body, headers: at(address) })).status;
      };
      const statuses = [];
      for (let count = 0; count < 4; count += 1) statuses.push(await guess('x', `10.9.9.9, 10.0.0.1`));
      expect(statuses).toEqual([400, 400, 400, 429]);
      expect(await guess(PASSWORD, '10.0.0.1')).toBe(429);
      expect(await guess(PASSWORD, '10.0.0.2')).toBe(200);
    }
    // The global PocketBase has them for everybody but the daemon, and Fathom's API goes by the address behind the proxy.
    const global = await (await controlPlane(fathom)).settings.getAll();
    expect(global['rateLimits']).toMatchObject({ enabled: true, excludedIPs: ['127.0.0.1', '::1'] });
    const otp = `${fathom.globalUrl}/api/collections/users/request-password-reset`;
    const resets = [];
    for (let count = 0; count < 21; count += 1) {
      resets.push(
        (await call('POST', otp, { body: { email: 'no@example.com' }, headers: at('10.3.0.1') })).status,
      );
    }
    expect(resets.slice(-2)).toEqual([204, 429]);
    const { items } = await fathom.client.audit.list();
    expect(items.map(({ address }) => address)).toContain('127.0.0.1');
  });
});

describe('limits', () => {
  it('hold for sign-ups and for requests in general, with the time to wait', async () => {
    const fathom = await deployment({ SIGN_UPS_PER_ADDRESS: '2', RATE_LIMIT_PER_MINUTE: '40' });
    await fathom.start();
    await signUp(fathom.url, 'a@example.com');
    await signUp(fathom.url, 'b@example.com');
    await expect(signUp(fathom.url, 'c@example.com')).rejects.toThrow('answered 429');
    const direct = new PocketBase(fathom.globalUrl).collection('users');
    const account = { email: 'd@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    await expect(direct.create(account)).rejects.toMatchObject({ status: 429 });

    const { token } = await signIn(fathom.url, 'a@example.com');
    let last = await call('GET', `${fathom.url}/api/v1/me`, { token });
    for (let count = 0; count < 50 && last.status === 200; count += 1) {
      last = await call('GET', `${fathom.url}/api/v1/me`, { token });
    }
    expect(last).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(last.headers.get('content-type')).toContain('application/problem+json');
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
    // The local socket is the administrator's, and the hooks go on.
    await expect(fathom.client.daemon.status()).resolves.toMatchObject({ ready: true });
  });
});

it('connections that say nothing leave everybody a way in', async () => {
  const fathom = await deployment();
  const files = 512;
  await fathom.start({ CONNECTIONS_PER_ADDRESS: '100000' }, [
    'prlimit',
    `--nofile=${files}:${files}`,
    ...SERVE,
  ]);
  const port = Number(fathom.env['SERVER_PORT']);
  const sockets = Array.from({ length: 2 * files }, () => connect(port, '127.0.0.1'));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on('error', () => {});
  let closed = 0;
  for (const socket of sockets) {
    socket.on('close', () => {
      closed += 1;
    });
  }
  // The daemon keeps half of its descriptors for other purposes.
  await until(() => closed >= files, { what: 'the oldest connections to be closed' });
  expect((await call('GET', `${fathom.url}/health`)).status).toBe(200);
  await expect(fathom.client.daemon.status()).resolves.toMatchObject({ ready: true });
});

describe('asking whether an address is registered', () => {
  it('by signing up counts several times, at both doors', async () => {
    const fathom = await deployment({ SIGN_UPS_PER_ADDRESS: '8' });
    await fathom.start();
    await signUp(fathom.url, 'ann@example.com');
    const body = { email: 'ann@example.com', password: PASSWORD };
    const ask = async () => (await call('POST', `${fathom.url}/api/v1/auth/register`, { body })).status;
    expect(await ask()).toBe(409);
    const direct = `${fathom.globalUrl}/api/collections/users/records`;
    const account = { ...body, passwordConfirm: PASSWORD };
    expect((await call('POST', direct, { body: account })).status).toBe(400);
    const limited = await call('POST', direct, { body: account });
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(60);
    expect(await ask()).toBe(429);
  });
});
