import PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';

const login = (url: string, email: string, password: string, headers = {}) =>
  call('POST', `${url}/api/v1/auth/login`, { body: { email, password }, headers });

const at = (address: string) => ({ 'x-forwarded-for': address });

describe('guessing passwords', () => {
  it('ends after some failures, at both doors, with the time to wait; the owner is let in where they were', async () => {
    const fathom = await deployment({ SIGN_IN_FAILURES_PER_ACCOUNT: '4', TRUSTED_PROXIES: '127.0.0.0/8' });
    await fathom.start();
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
    await expect(direct.authWithPassword('ann@example.com', PASSWORD)).rejects.toMatchObject({ status: 429 });
    // A stranger cannot lock the owner out.
    expect((await login(fathom.url, 'ann@example.com', PASSWORD, at('10.0.0.9'))).status).toBe(200);
    // Nor does it tell whether there is such an account.
    for (let count = 0; count < 4; count += 1) await login(fathom.url, 'no@example.com', 'x', at('10.2.0.1'));
    expect((await login(fathom.url, 'no@example.com', 'x', at('10.2.0.1'))).status).toBe(429);
  });

  it('ends for an address, whatever the account', async () => {
    const fathom = await deployment({ SIGN_IN_FAILURES_PER_ADDRESS: '3' });
    await fathom.start();
    // Nobody is believed who they say is behind them, as no proxy is trusted.
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
    await expect(fathom.client.status()).resolves.toMatchObject({ ready: true });
  });
});

describe('answers', () => {
  it('carry the headers that browsers heed, and CORS for the origins on the list alone', async () => {
    const fathom = await deployment({ CORS_ORIGINS: 'https://app.example.com' });
    await fathom.start();
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
