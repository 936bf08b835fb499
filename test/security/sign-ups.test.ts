import type { AddressInfo } from 'node:net';
import PocketBase from 'pocketbase';
import { SMTPServer } from 'smtp-server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { controlPlane, databaseRows } from '../helpers/fleet-state.ts';
import { type Deployment, deployment } from '../helpers/harness.ts';
import { call, PASSWORD, refreshStatus, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { codeFor, openIdProvider, REDIRECT, signInWithCode } from '../helpers/openid-provider.ts';
import { until } from '../helpers/until.ts';

const users = (fathom: Deployment) => new PocketBase(fathom.globalUrl).collection('users');

const resetTokenOf = (mail: string) => /confirm-password-reset\/([\w.-]+)/.exec(mail)?.[1];

/** A mail server that keeps the mails that it got. */
async function mailServer(): Promise<{ port: number; mails: string[] }> {
  const mails: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, _session, done) => {
      let text = '';
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      stream.on('end', () => {
        mails.push(text);
        done();
      });
    },
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port: (server.server.address() as AddressInfo).port, mails };
}

async function runningProvider() {
  const provider = await openIdProvider();
  onTestFinished(() => provider.close());
  return provider;
}

/** Another person signs up with the address of `ann`, and prepares ways to come back. */
async function squat(fathom: Deployment): Promise<{ session: Session; key: string; globalToken: string }> {
  const session = await signUp(fathom.url, 'Ann@Example.com');
  const made = await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
    token: session.token,
    body: { name: 'for later' },
  });
  const squatter = new PocketBase(fathom.globalUrl);
  await squatter.collection('users').authWithPassword('ann@example.com', PASSWORD);
  const globalToken = squatter.authStore.token;
  // A signed-in user links a provider of its own.
  const { code, verifier } = await codeFor(fathom.globalUrl, 'mal');
  const linked = await squatter.collection('users').authWithOAuth2Code('oidc', code, verifier, REDIRECT);
  expect(linked.record.id).toBe(session.user.id);
  return { session, key: made.body.key, globalToken };
}

async function expectNoWayBack(
  fathom: Deployment,
  { session, key, globalToken }: Awaited<ReturnType<typeof squat>>,
): Promise<void> {
  for (const token of [session.token, key]) {
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token })).status).toBe(401);
  }
  expect(await refreshStatus(fathom.globalUrl, globalToken)).toBe(401);
  expect(await refreshStatus(session.database.url, session.database.token)).toBe(401);
  await expect(signIn(fathom.url, 'ann@example.com')).rejects.toThrow('answered 401');
  const own = new PocketBase(session.database.url).collection('users');
  await expect(own.authWithPassword('ann@example.com', PASSWORD)).rejects.toMatchObject({ status: 400 });
  // The provider of the other person opens an account of its own.
  expect((await signInWithCode(fathom.globalUrl, 'mal')).record.id).not.toBe(session.user.id);
}

describe('an address that another person has signed up with', () => {
  it('goes to its owner with a provider, and every way back is closed', async () => {
    const fathom = await deployment((await runningProvider()).settings);
    await fathom.start();
    const squatter = await squat(fathom);
    expect((await signInWithCode(fathom.globalUrl, 'ann')).record.id).toBe(squatter.session.user.id);
    await expectNoWayBack(fathom, squatter);
    // The owner comes back.
    expect((await signInWithCode(fathom.globalUrl, 'ann')).record.id).toBe(squatter.session.user.id);
  });

  it('goes to its owner with a password reset by mail, and every way back is closed', async () => {
    const fathom = await deployment((await runningProvider()).settings);
    await fathom.start();
    const squatter = await squat(fathom);
    const { port, mails } = await mailServer();
    const smtp = { enabled: true, host: '127.0.0.1', port, tls: false };
    await (await controlPlane(fathom)).settings.update({ smtp });

    await users(fathom).requestPasswordReset('ann@example.com');
    await until(() => Promise.resolve(mails.some(resetTokenOf)), { what: () => 'the mail' });
    // Lines of a mail end with `=` where they were wrapped.
    const mail = mails.map((text) => text.replaceAll('=\r\n', '')).find(resetTokenOf) ?? '';
    const phrase = 'my own lantern by the river';
    await users(fathom).confirmPasswordReset(resetTokenOf(mail) ?? '', phrase, phrase);
    await expectNoWayBack(fathom, squatter);
    expect((await signIn(fathom.url, 'ann@example.com', phrase)).user.id).toBe(squatter.session.user.id);
  });
});

describe('sign-ups', () => {
  it('cannot get around their limit by headers or a choice of door', async () => {
    const fathom = await deployment({ SIGN_UPS_PER_ADDRESS: '2', TRUSTED_PROXIES: '' });
    await fathom.start();
    await signUp(fathom.url, 'a@example.com');
    await signUp(fathom.url, 'b@example.com');
    const account = { email: 'c@example.com', password: PASSWORD };
    const confirmed = { ...account, passwordConfirm: PASSWORD };
    for (const headers of [
      { 'x-forwarded-for': '198.51.100.7' },
      { 'x-real-ip': '198.51.100.7' },
      { forwarded: 'for=198.51.100.7' },
      { 'x-fathom-hook-token': 'guess' },
    ]) {
      const register = `${fathom.url}/api/v1/auth/register`;
      expect((await call('POST', register, { body: account, headers })).status).toBe(429);
      const records = `${fathom.globalUrl}/api/collections/users/records`;
      expect((await call('POST', records, { body: confirmed, headers })).status).toBe(429);
    }
  });

  it('of one proxy count for each IPv6 network', async () => {
    const fathom = await deployment({
      SIGN_UPS_PER_ADDRESS: '1',
      SIGN_UPS_PER_NETWORK: '2',
      TRUSTED_PROXIES: '127.0.0.1',
    });
    await fathom.start();
    const from = async (address: string) => {
      const email = `u${address.replaceAll(':', '')}@example.com`;
      const headers = { 'x-forwarded-for': address };
      const body = { email, password: PASSWORD, passwordConfirm: PASSWORD };
      return (await call('POST', `${fathom.globalUrl}/api/collections/users/records`, { body, headers }))
        .status;
    };
    expect(await from('2001:db8:1:1::1')).toBe(200);
    expect(await from('2001:db8:1:1:aaaa::2')).toBe(429);
    expect(await from('2001:db8:1:2::1')).toBe(200);
    expect(await from('2001:db8:1:3::1')).toBe(429);
    expect(await from('2001:db8:2::1')).toBe(200);
  });

  it('with a provider follow the mode and MAX_DATABASES', async () => {
    const { settings } = await runningProvider();
    const fathom = await deployment({ ...settings, MAX_DATABASES: '1' });
    const daemon = await fathom.start();
    const first = await signInWithCode(fathom.globalUrl, 'ann');
    await expect(signInWithCode(fathom.globalUrl, 'bea')).rejects.toMatchObject({ status: 503 });
    expect((await databaseRows(fathom)).map(({ user }) => user)).toEqual([first.record.id]);
    await daemon.stop();

    await fathom.start({ SIGN_UP_MODE: 'closed' });
    await expect(signInWithCode(fathom.globalUrl, 'cal')).rejects.toMatchObject({ status: 403 });
    expect((await signInWithCode(fathom.globalUrl, 'ann')).record.id).toBe(first.record.id);
    const { total } = await fathom.client.users.list({ role: 'user' });
    expect(total).toBe(1);
  });

  it('with a provider that verified the address get their database at once', async () => {
    const { settings } = await runningProvider();
    const fathom = await deployment({ ...settings, SIGN_UP_MODE: 'verified' });
    await fathom.start();
    const { meta } = await signInWithCode(fathom.globalUrl, 'ann');
    expect(meta?.['database']).toMatchObject({ status: 'Running' });
  });
});
