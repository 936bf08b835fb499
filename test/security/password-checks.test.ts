import PocketBase from 'pocketbase';
import { expect, it, onTestFinished } from 'vitest';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { linkIn, mailServer, tokenIn } from '../helpers/mail-server.ts';

const PER_ACCOUNT = 5;
const TRIES = 12;
const OTHER_PASSWORD = 'another-good-password';
let next = 1;
/** Each attempt comes from another network. */
const elsewhere = () => ({ 'x-forwarded-for': `2001:db8:${(next++).toString(16)}::1` });

async function stage() {
  const server = await mailServer();
  onTestFinished(() => server.close());
  const fathom = await deployment({
    ...server.settings,
    TRUSTED_PROXIES: '127.0.0.1',
    SIGN_IN_FAILURES_PER_ACCOUNT: String(PER_ACCOUNT),
  });
  await fathom.start({ PUBLIC_URL: fathom.url });
  const { user } = await signUp(fathom.url, 'ann@example.com');
  const client = new PocketBase(fathom.globalUrl);
  await client.collection('users').authWithPassword('ann@example.com', PASSWORD);
  const refused = async () =>
    (await fathom.client.audit.list({ per_page: 100, action: 'password-check', outcome: 'refused' })).items;
  return { server, fathom, client, user, refused };
}

it('a token of the global PocketBase does not help to guess the password', async () => {
  const { fathom, client, user, refused } = await stage();
  const url = `${fathom.globalUrl}/api/collections/users/records/${user.id}`;
  const change = (oldPassword: unknown) =>
    call('PATCH', url, {
      body: { oldPassword, password: OTHER_PASSWORD, passwordConfirm: OTHER_PASSWORD },
      headers: { authorization: client.authStore.token, ...elsewhere() },
    });
  // Without a password nothing is checked.
  expect((await change('')).status).toBe(400);
  expect(await refused()).toEqual([]);

  const answers = [];
  for (let count = 0; count < TRIES; count += 1)
    answers.push(await change(count % 2 ? `wrong${count}` : count + 1));
  expect(answers.filter(({ status }) => status === 400)).toHaveLength(PER_ACCOUNT);
  expect(answers[0]?.body).toMatchObject({
    data: { oldPassword: { code: 'validation_invalid_old_password' } },
  });
  expect(answers.at(-1)?.status).toBe(429);
  expect(Number(answers.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await change(PASSWORD)).status).toBe(429);
  // Sign-ins share the count.
  const login = { email: 'ann@example.com', password: PASSWORD };
  const api = `${fathom.url}/api/v1/auth/login`;
  expect((await call('POST', api, { body: login, headers: elsewhere() })).status).toBe(429);
  expect(await refused()).toHaveLength(PER_ACCOUNT);
  expect((await refused())[0]).toMatchObject({ target: 'ann@example.com', actor_kind: 'anonymous' });

  // The owner, from an address of an earlier sign-in.
  await signIn(fathom.url, 'ann@example.com');
  await client.collection('users').update(user.id, {
    oldPassword: PASSWORD,
    password: OTHER_PASSWORD,
    passwordConfirm: OTHER_PASSWORD,
  });
  await signIn(fathom.url, 'ann@example.com', OTHER_PASSWORD);
});

it.each(['the API', 'the global PocketBase'])(
  'a link for a new address does not help to guess it at %s',
  async (door) => {
    const { server, fathom, client, refused } = await stage();
    await client.collection('users').requestEmailChange('ann@new.example.com');
    const token = tokenIn(linkIn(await server.mailTo('ann@new.example.com')));
    const url =
      door === 'the API'
        ? `${fathom.url}/api/v1/auth/change-email`
        : `${fathom.globalUrl}/api/collections/users/confirm-email-change`;
    const confirm = (password: string, headers: Record<string, string> = elsewhere()) =>
      call('POST', url, { body: { token, password }, headers });

    const statuses: number[] = [];
    for (let count = 0; count < TRIES; count += 1) statuses.push((await confirm(`wrong${count}`)).status);
    expect(statuses.filter((status) => status === 400)).toHaveLength(PER_ACCOUNT);
    expect(statuses.at(-1)).toBe(429);
    expect((await confirm(PASSWORD)).status).toBe(429);
    expect(await refused()).toHaveLength(PER_ACCOUNT);
    expect((await refused())[0]?.address).toMatch(/^2001:db8:/);
    expect((await confirm(PASSWORD, {})).status).toBe(204);
    await signIn(fathom.url, 'ann@new.example.com');
  },
);

it('strangers cannot lock an owner out after a restart of the daemon', async () => {
  const fathom = await deployment({
    TRUSTED_PROXIES: '127.0.0.1',
    SIGN_IN_FAILURES_PER_ACCOUNT: String(PER_ACCOUNT),
  });
  const daemon = await fathom.start();
  const login = (password: string, headers: Record<string, string>) =>
    call('POST', `${fathom.url}/api/v1/auth/login`, {
      body: { email: 'ann@example.com', password },
      headers,
    });
  await signUp(fathom.url, 'ann@example.com');
  const home = { 'x-forwarded-for': '203.0.113.7' };
  expect((await login(PASSWORD, home)).status).toBe(200);
  await daemon.stop();
  await fathom.start();
  for (let count = 0; count < PER_ACCOUNT; count += 1) await login('wrong', elsewhere());
  expect((await login(PASSWORD, elsewhere())).status).toBe(429);
  expect((await login(PASSWORD, home)).status).toBe(200);
});
