import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { expect, it, onTestFinished } from 'vitest';
import { controlPlane } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, refreshStatus, type Session, signUp } from '../helpers/http-call.ts';
import {
  browse,
  CLIENT,
  codeFor,
  LIAR,
  type OpenIdProvider,
  openIdProvider,
  REDIRECT,
  signInWithCode,
} from '../helpers/openid-provider.ts';

async function runningProvider(): Promise<OpenIdProvider> {
  const made = await openIdProvider();
  onTestFinished(() => made.close());
  return made;
}

it('a provider opens an account only to the owner of its address, and ends all earlier access', async () => {
  const fathom = await deployment((await runningProvider()).settings);
  await fathom.start();
  const users = () => new PocketBase(fathom.globalUrl).collection('users');
  const signIn = (login: string, createData?: object) => signInWithCode(fathom.globalUrl, login, createData);

  const ann = await signIn('ann');
  for (const createData of [{}, { email: 'ann@example.com' }]) {
    await expect(signIn(LIAR, createData)).rejects.toMatchObject({ status: 400 });
  }
  // With its own address it is another, ordinary user.
  for (const extra of [{ role: 'admin' }, { 'role+': 'admin' }, { is_active: true }, { verified: true }]) {
    const createData = { email: 'm@example.com', ...extra };
    await expect(signIn(LIAR, createData)).rejects.toMatchObject({ status: 400 });
  }
  const liar = await signIn(LIAR, { email: 'm@example.com' });
  expect(liar.record.id).not.toBe(ann.record.id);
  expect(liar.record).toMatchObject({ role: 'user', verified: false });

  // A code is good with its verifier and for its address alone, and once.
  const { code, verifier } = await codeFor(fathom.globalUrl, 'ann');
  for (const [used, redirect] of [
    ['v'.repeat(43), REDIRECT],
    [verifier, 'https://evil.example.com/callback'],
  ] as const) {
    await expect(users().authWithOAuth2Code('oidc', code, used, redirect)).rejects.toMatchObject({
      status: 400,
    });
  }

  // Another person has made an account with that address, in other case, and a key of it.
  const squatter = await signUp(fathom.url, 'Bea@Example.com');
  const made = await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
    token: squatter.token,
    body: { name: 'for later' },
  });
  expect((await signIn('bea')).record.id).toBe(squatter.user.id);
  for (const token of [squatter.token, made.body.key]) {
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token })).status).toBe(401);
  }

  await (await controlPlane(fathom)).collection('users').update(ann.record.id, { is_active: false });
  await expect(signIn('ann')).rejects.toMatchObject({ status: 403 });
});

it('the first sign-in with OpenID Connect provisions a database', async () => {
  const { settings } = await runningProvider();
  const fathom = await deployment({ ...settings, OIDC_DISPLAY_NAME: 'House' });
  const daemon = await fathom.start();

  const signIn = async (providers = ['oidc']) => {
    const client = new PocketBase(fathom.globalUrl);
    const { oauth2 } = await client.collection('users').listAuthMethods();
    expect(oauth2.providers.map(({ name }) => name)).toEqual(providers);
    const provider = oauth2.providers.at(-1);
    expect(provider).toMatchObject({ name: 'oidc', displayName: 'House' });
    const back = await browse(`${provider?.authURL}${encodeURIComponent(REDIRECT)}`, 'ann');
    expect(back.searchParams.get('state')).toBe(provider?.state);
    const code = back.searchParams.get('code') ?? '';
    return client
      .collection('users')
      .authWithOAuth2Code('oidc', code, provider?.codeVerifier ?? '', REDIRECT);
  };

  // Another person has made an account with that address before, and a key of it.
  const squatter = await signUp(fathom.url, 'ann@example.com');
  const made = await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
    token: squatter.token,
    body: { name: 'for later' },
  });
  const first = await signIn();
  for (const token of [squatter.token, made.body.key]) {
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token })).status).toBe(401);
  }
  expect(await refreshStatus(squatter.database.url, squatter.database.token)).toBe(401);
  expect(first.record).toMatchObject({ email: 'ann@example.com', role: 'user', is_active: true });
  const database = first.meta?.['database'] as Session['database'];
  expect(database).toMatchObject({ status: 'Running', name: expect.stringMatching(/-001-ann$/) as string });
  const own = new PocketBase(database.url);
  own.authStore.save(database.token);
  await expect(own.collection('documents').create({ title: 'hers' })).resolves.toMatchObject({
    title: 'hers',
  });

  const second = await signIn();
  expect(second.record.id).toBe(first.record.id);
  const again = second.meta?.['database'] as Session['database'];
  expect(again).toMatchObject({ name: database.name });
  // The second sign-in ends nothing.
  for (const { token } of [database, again]) expect(await refreshStatus(database.url, token)).toBe(200);
  const exchanged = await call<Session>('POST', `${fathom.url}/api/v1/auth/exchange`, {
    body: { token: second.token },
  });
  expect(exchanged).toMatchObject({ status: 200, body: { user: { id: first.record.id } } });
  const { items } = await fathom.client.audit.list({ action: 'sign-in', outcome: 'ok' });
  expect(items.filter(({ target }) => target === 'oidc')).toHaveLength(2);

  // PocketBase keeps collections as they are: the secret is in none of its files.
  const files = join(fathom.dataDir, 'global', 'pb_data');
  for (const file of (await readdir(files)).filter((name) => name.startsWith('data.db'))) {
    expect((await readFile(join(files, file))).includes(CLIENT.client_secret), file).toBe(false);
  }
  // It is found again after a change of the collections, and after a start.
  await (await controlPlane(fathom)).collections.update('users', { authToken: { duration: 3600 } });
  expect((await signIn()).record.id).toBe(first.record.id);

  // A provider that is not configured any more is switched off.
  await daemon.stop();
  const others = { GOOGLE_CLIENT_ID: 'google-id', GOOGLE_CLIENT_SECRET: 'a secret of google' };
  const third = await fathom.start({
    ...others,
    GITHUB_CLIENT_ID: 'github-id',
    GITHUB_CLIENT_SECRET: 'a secret of github',
  });
  expect((await signIn(['google', 'github', 'oidc'])).record.id).toBe(first.record.id);
  const methods = () => new PocketBase(fathom.globalUrl).collection('users').listAuthMethods();
  const [google, github] = (await methods()).oauth2.providers.map(({ authURL }) => new URL(authURL));
  expect([google?.origin, google?.pathname]).toEqual(['https://accounts.google.com', '/o/oauth2/v2/auth']);
  expect(google?.searchParams.get('client_id')).toBe('google-id');
  expect(google?.searchParams.get('scope')).toContain('userinfo.email');
  expect([github?.origin, github?.pathname]).toEqual(['https://github.com', '/login/oauth/authorize']);
  expect(github?.searchParams.get('client_id')).toBe('github-id');
  for (const provider of [google, github]) {
    expect(provider?.searchParams.get('response_type')).toBe('code');
    expect(provider?.searchParams.get('state')).toMatch(/^\w{20,}$/);
  }
  await third.stop();
  await fathom.start({ OIDC_CLIENT_ID: '', OIDC_CLIENT_SECRET: '' });
  expect((await methods()).oauth2).toMatchObject({ enabled: false, providers: [] });
});

interface Providers {
  items: { name: string; display_name: string; auth_url: string; state: string; code_verifier: string }[];
}

it('the API signs in with the code of a provider, as far as sign-ups allow it', async () => {
  const { settings } = await runningProvider();
  const fathom = await deployment({ ...settings, SIGN_UP_MODE: 'closed' });
  await fathom.start();
  const url = `${fathom.url}/api/v1/auth/providers`;
  const begin = async (login: string) => {
    const { body } = await call<Providers>('GET', url);
    const [provider] = body.items;
    if (provider === undefined) throw new Error('there is no provider');
    const back = await browse(`${provider.auth_url}${encodeURIComponent(REDIRECT)}`, login);
    expect(back.searchParams.get('state')).toBe(provider.state);
    const code = back.searchParams.get('code') ?? '';
    return { code, code_verifier: provider.code_verifier, redirect_url: REDIRECT };
  };
  const signIn = (body: object) => call<Session>('POST', `${url}/oidc`, { body });
  const refused = { status: 401, body: { code: 'auth.failed' } };

  // Sign-ups are closed for the daemon as well when it acts for a client.
  expect(await signIn(await begin('bea'))).toMatchObject({
    ...refused,
    body: { code: 'auth.failed', detail: expect.stringMatching(/sign-ups are closed/i) as string },
  });
  expect((await fathom.client.users.list({})).items.map(({ email }) => email)).not.toContain(
    'bea@example.com',
  );

  await fathom.client.users.add({ email: 'ann@example.com', password: 'three-lucky-otters' });
  const answer = await begin('ann');
  for (const changed of [
    { redirect_url: 'https://evil.example.com/callback' },
    { code_verifier: 'v'.repeat(43) },
    { code: '../../x' },
  ])
    expect(await signIn({ ...(await begin('ann')), ...changed })).toMatchObject(refused);
  const signedIn = await signIn(answer);
  expect(signedIn).toMatchObject({
    status: 200,
    body: { user: { email: 'ann@example.com', role: 'user' }, database: { status: 'Running' } },
  });
  expect((await call('GET', `${fathom.url}/api/v1/me`, { token: signedIn.body.token })).status).toBe(200);
  expect(await signIn(answer)).toMatchObject(refused);
  expect(await signIn(await begin(LIAR))).toMatchObject(refused);
  expect(await call('POST', `${url}/google`, { body: answer })).toMatchObject(refused);
  expect((await call('POST', `${url}/..%2f..`, { body: answer })).status).toBe(400);

  await fathom.client.users.update(signedIn.body.user.id, { is_active: false });
  expect(await signIn(await begin('ann'))).toMatchObject(refused);

  // Each code is a request to the provider.
  let last = await signIn(answer);
  for (let count = 0; last.status === 401 && count < 60; count += 1) last = await signIn(answer);
  expect(last).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
});
