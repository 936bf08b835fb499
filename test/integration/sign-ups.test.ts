import PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import type { DatabaseSummary } from '../../shared/api/accounts/auth.ts';
import type { User } from '../../shared/api/accounts/users.ts';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import { STRONG_PASSWORD } from '../../shared/hooks/control-plane-routes.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { controlPlane, databaseRows } from '../helpers/fleet-state.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

/** A sign-up at Fathom's API. */
const atApi = (fathom: Deployment, email: string, password = PASSWORD) =>
  call<Session & Problem>('POST', `${fathom.url}/api/v1/auth/register`, { body: { email, password } });

/** A sign-up at the global PocketBase. */
const atGlobal = (fathom: Deployment, email: string, password = PASSWORD) =>
  call<{ id: string; data: Record<string, { code: string }> }>(
    'POST',
    `${fathom.globalUrl}/api/collections/users/records`,
    { body: { email, password, passwordConfirm: password } },
  );

describe('with SIGN_UP_MODE=closed', () => {
  const shared = sharedDeployment({ SIGN_UP_MODE: 'closed' });

  it('only administrators create accounts', async () => {
    const { fathom } = shared;
    expect(await atApi(fathom, 'a@example.com')).toMatchObject({
      status: 403,
      body: { code: 'sign_up.closed' },
    });
    expect((await atGlobal(fathom, 'a@example.com')).status).toBe(403);
    const added = await fathom.client.users.add({ email: 'b@example.com', password: PASSWORD });
    expect((await signIn(fathom.url, 'b@example.com')).database.name).toBe(added.database);
    const superuser = await controlPlane(fathom);
    const account = { email: 'c@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    await expect(superuser.collection('users').create(account)).resolves.toMatchObject({ role: 'user' });
    // The answer to the superuser does not wait for the database.
    const signUps = async () => (await fathom.client.daemon.status()).sign_ups;
    await until(async () => (await signUps()).databases === 2, { what: () => 'the second database' });
    expect(await signUps()).toEqual({ mode: 'closed', databases: 2, max_databases: null });
  });
});

describe('with SIGN_UP_MODE=verified', () => {
  const shared = sharedDeployment({ SIGN_UP_MODE: 'verified' });

  it('an account signs in at once, and gets its database after its address is proved', async () => {
    const { fathom } = shared;
    const waiting = { name: '', url: null, port: null, status: 'awaiting_verification' };
    const signedUp = await atApi(fathom, 'ann@example.com');
    expect(signedUp).toMatchObject({ status: 201, body: { database: { ...waiting, token: null } } });
    const { token, user } = signedUp.body;
    const mine = () => call<DatabaseSummary>('GET', `${fathom.url}/api/v1/me/database`, { token });
    expect((await mine()).body).toEqual(waiting);
    const start = await call('POST', `${fathom.url}/api/users/${user.id}/init_pb`, { token });
    expect(start.status).toBeGreaterThanOrEqual(400);

    await atGlobal(fathom, 'bob@example.com');
    const sdk = new PocketBase(fathom.globalUrl).collection('users');
    const { meta } = await sdk.authWithPassword('bob@example.com', PASSWORD);
    expect(meta?.['database']).toEqual({ ...waiting, token: null });
    expect(await databaseRows(fathom)).toEqual([]);

    // The way of PocketBase's own verification: the field changes.
    await (await controlPlane(fathom)).collection('users').update(user.id, { verified: true });
    await until(async () => (await mine()).body.status === 'Running', {
      what: () => 'a database of the account',
    });
    expect((await databaseRows(fathom)).map((row) => row.user)).toEqual([user.id]);
  });

  it('an administrator can confirm an address', async () => {
    const { fathom } = shared;
    const confirmed = { email: 'cal@example.com', password: PASSWORD, verified: true };
    const added = await fathom.client.users.add(confirmed);
    expect(added).toMatchObject<Partial<User>>({ verified: true, database: expect.any(String) as string });
    const waiting = await fathom.client.users.add({ email: 'dan@example.com', password: PASSWORD });
    expect(waiting).toMatchObject({ verified: false, database: null });
    await fathom.client.users.update(waiting.id, { verified: true });
    expect((await signIn(fathom.url, 'dan@example.com')).database.status).toBe('Running');
  });

  it('no one can call the own address proved', async () => {
    const { fathom } = shared;
    const body = { email: 'eve@example.com', password: PASSWORD, verified: true };
    expect((await call('POST', `${fathom.url}/api/v1/auth/register`, { body })).status).toBe(400);
    const account = { ...body, passwordConfirm: PASSWORD };
    const direct = `${fathom.globalUrl}/api/collections/users/records`;
    expect((await call('POST', direct, { body: account })).status).toBe(400);
  });
});

describe('MAX_DATABASES', () => {
  it('holds for concurrent sign-ups at both doors, and a deletion makes room', async () => {
    const fathom = await deployment({ MAX_DATABASES: '3' });
    await fathom.start();
    const emails = Array.from({ length: 8 }, (_, index) => `u${index}@example.com`);
    const answers = await Promise.all(
      emails.map((email, index) => (index % 2 === 0 ? atApi(fathom, email) : atGlobal(fathom, email))),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status < 300)).toHaveLength(3);
    expect(statuses.filter((status) => status === 503)).toHaveLength(5);
    const { total, items } = await fathom.client.users.list({ role: 'user' });
    expect(total).toBe(3);
    expect((await fathom.client.daemon.status()).sign_ups).toMatchObject({ databases: 3, max_databases: 3 });

    expect((await atApi(fathom, 'late@example.com')).body.code).toBe('databases.limit_reached');
    await fathom.client.users.delete(items[0]?.id ?? '');
    await signUp(fathom.url, 'late@example.com');
    await expect(
      fathom.client.users.add({ email: 'x@example.com', password: PASSWORD }),
    ).rejects.toMatchObject({
      code: 'databases.limit_reached',
    });
  });
});

describe('passwords', () => {
  const shared = sharedDeployment();
  const weak = ['        ', 'password1', 'ann.miller@example.com', 'annmiller1', 'qwertyuiop'];

  it.each(weak)('like %j are refused at both doors with a reason', async (password) => {
    const { fathom } = shared;
    const refused = await atApi(fathom, 'ann.miller@example.com', password);
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ path: 'password' }] } });
    const direct = await atGlobal(fathom, 'ann.miller@example.com', password);
    expect(direct).toMatchObject({
      status: 400,
      body: { data: { password: { code: 'validation_weak_password' } } },
    });
    await expect(
      fathom.client.users.add({ email: 'ann.miller@example.com', password }),
    ).rejects.toMatchObject({ code: 'request.invalid' });
  });

  it('are refused also from a client that says that they were judged', async () => {
    const { fathom } = shared;
    const account = { email: 'eve@example.com', password: 'password1', [STRONG_PASSWORD]: true };
    const refused = await call('POST', `${fathom.url}/api/v1/auth/register`, { body: account });
    expect(refused.status).toBe(400);
    const superuser = await controlPlane(fathom);
    const as = { headers: { authorization: superuser.authStore.token } };
    const body = { ...account, passwordConfirm: account.password };
    for (const options of [{ body }, { body, ...as }])
      expect(await call('POST', `${fathom.globalUrl}/api/collections/users/records`, options)).toMatchObject({
        status: 400,
        body: { data: { password: { code: 'validation_weak_password' } } },
      });
  });

  it('are refused in a change as well', async () => {
    const { fathom } = shared;
    const email = 'ben@example.com';
    const { user } = await signUp(fathom.url, email);
    const sdk = new PocketBase(fathom.globalUrl).collection('users');
    await sdk.authWithPassword(email, PASSWORD);
    const change = { oldPassword: PASSWORD, password: 'password1', passwordConfirm: 'password1' };
    await expect(sdk.update(user.id, change)).rejects.toMatchObject({
      response: { data: { password: { code: 'validation_weak_password' } } },
    });
    const phrase = 'the river sings to the old stone bridge';
    await sdk.update(user.id, { oldPassword: PASSWORD, password: phrase, passwordConfirm: phrase });
    await signIn(fathom.url, email, phrase);
  });

  it('of eight random characters, of words and of 71 bytes are accepted', async () => {
    const { fathom } = shared;
    const longest = 'otters-paint-the-moon-'.repeat(4).slice(0, 71);
    for (const [index, password] of ['7h4k9x2m', 'correct horse battery staple', longest].entries()) {
      expect((await atApi(fathom, `p${index}@example.com`, password)).status, password).toBe(201);
    }
  });

  it.each([
    ['of 72 characters', 'otters-paint-the-moon-'.repeat(4).slice(0, 72)],
    // 47 characters, most of them of two bytes.
    ['of 87 bytes', 'пароль-фонарь-река-чайник-облако-самовар-дорога'],
  ])('%s is rejected with the reason', async (_, password) => {
    const answer = await atApi(shared.fathom, 'p3@example.com', password);
    expect(answer).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'password', message: expect.stringContaining('71 bytes') }] },
    });
  });
});
