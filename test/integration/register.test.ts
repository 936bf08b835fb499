import PocketBase, { ClientResponseError, getTokenPayload } from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from '../../shared/api/contract/page.ts';
import { utcDay } from '../../shared/database-name.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { call, PASSWORD, refreshStatus, type Session, signIn, signUp } from '../helpers/http-call.ts';

let fathom: Deployment;
let daemon: Daemon;

beforeAll(async () => {
  fathom = await createDeployment();
  daemon = await fathom.start();
});

afterAll(() => fathom.dispose());

function signedInAt({ database }: Session): PocketBase {
  const client = new PocketBase(database.url);
  client.authStore.save(database.token);
  return client;
}

const exchange = (token: string) =>
  call<Session>('POST', `${fathom.url}/api/v1/auth/exchange`, { body: { token } });

async function refusal(work: Promise<unknown>): Promise<number> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ClientResponseError) return error.status;
    throw error;
  }
  throw new Error('it was allowed');
}

describe("signing up through Fathom's API", () => {
  it('gives a running database in which the owner is signed in at once', async () => {
    const dayBefore = utcDay(new Date());
    const session = await signUp(fathom.url, 'John.Doe+x@example.com');
    expect(session.user).toEqual({
      id: expect.stringMatching(/^[a-z0-9]{15}$/) as string,
      email: 'John.Doe+x@example.com',
      role: 'user',
    });
    const names = [dayBefore, utcDay(new Date())].map((day) => `${day}-001-johndoex`);
    expect(names).toContain(session.database.name);
    expect(session.database).toMatchObject({
      url: `http://127.0.0.1:${session.database.port}`,
      status: 'Running',
    });
    const lifetime = Date.parse(session.expires_at) - Date.now();
    expect(lifetime / 3_600_000).toBeCloseTo(24, 1);

    const owner = signedInAt(session);
    const written = await owner.collection('documents').create({ title: 'first', data: { answer: 42 } });
    const read = await owner.collection('documents').getOne(written.id);
    expect(read['data']).toEqual({ answer: 42 });

    // The token is one of PocketBase's own: the SDK renews it.
    const renewed = await owner.collection('users').authRefresh();
    expect(renewed.record.id).toBe(session.user.id);
  });

  it('signs in to the same database, and tells who one is', async () => {
    const first = await signUp(fathom.url, 'again@example.com');
    const second = await signIn(fathom.url, 'again@example.com');
    expect(second.user).toEqual(first.user);
    expect(second.database).toMatchObject({ name: first.database.name, port: first.database.port });
    await expect(signedInAt(second).collection('documents').getList()).resolves.toMatchObject({ items: [] });

    const me = await call<Session['user']>('GET', `${fathom.url}/api/v1/me`, { token: second.token });
    expect(me.body).toEqual(first.user);
    const { token: _, ...summary } = first.database;
    const mine = await call<object>('GET', `${fathom.url}/api/v1/me/database`, { token: second.token });
    expect(mine.body).toEqual(summary);
  });

  it('refuses an address that is taken, in any case, and a wrong password, without details', async () => {
    await signUp(fathom.url, 'taken@example.com');
    const body = { email: 'taken@example.com', password: PASSWORD };
    for (const email of ['taken@example.com', 'TAKEN@example.com', 'taken@EXAMPLE.com']) {
      const again = await call('POST', `${fathom.url}/api/v1/auth/register`, { body: { ...body, email } });
      expect(again, email).toMatchObject({ status: 409, body: { code: 'auth.email_taken' } });
    }

    expect((await signIn(fathom.url, 'Taken@Example.com')).user.email).toBe('taken@example.com');

    const wrong = await call('POST', `${fathom.url}/api/v1/auth/login`, { body: { ...body, password: 'x' } });
    const unknown = await call('POST', `${fathom.url}/api/v1/auth/login`, {
      body: { ...body, email: 'nobody@example.com' },
    });
    expect(wrong).toMatchObject({ status: 401, body: { code: 'auth.failed' } });
    expect(unknown.body.detail).toBe(wrong.body.detail);
  });

  it('gives administrators a session and no database', async () => {
    const session = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
    expect(session).toMatchObject({ user: { role: 'admin' }, database: null });
  });
});

describe('signing up straight at the global PocketBase', () => {
  it('provisions as well, and the sign-in names the database', async () => {
    const client = new PocketBase(fathom.globalUrl);
    const account = await client.collection('users').create({
      email: 'sdk@example.com',
      password: PASSWORD,
      passwordConfirm: PASSWORD,
    });
    const { record, meta } = await client.collection('users').authWithPassword('sdk@example.com', PASSWORD);
    expect(record.id).toBe(account.id);
    const database = meta?.['database'] as Session['database'];
    expect(database).toEqual({
      name: expect.stringMatching(/-\d{3}-sdk$/) as string,
      url: `http://127.0.0.1:${database.port}`,
      port: expect.any(Number) as number,
      status: 'Running',
      token: expect.any(String) as string,
    });

    const owner = new PocketBase(database.url);
    owner.authStore.save(database.token);
    await expect(owner.collection('documents').create({ title: 'mine' })).resolves.toMatchObject({
      title: 'mine',
    });
    // What opens the account opens the database as well.
    const signedIn = await owner.collection('users').authWithPassword('sdk@example.com', PASSWORD);
    expect(signedIn.record.id).toBe(account.id);
  });

  it('hands the token of the own database out at each kind of sign-in', async () => {
    const { user, database } = await signUp(fathom.url, 'every@example.com');
    const superuser = await controlPlane(fathom);
    await superuser.collections.update('users', { otp: { enabled: true, duration: 180, length: 8 } });
    const code = await superuser.collection('_otps').create({
      collectionRef: '_pb_users_auth_',
      recordRef: user.id,
      password: '12345678',
      passwordConfirm: '12345678',
    });
    const client = new PocketBase(fathom.globalUrl);
    const users = client.collection('users');
    const byCode = await users.authWithOTP(code.id, '12345678');
    const renewed = await users.authRefresh();
    for (const { meta } of [byCode, renewed]) {
      const own = meta?.['database'] as Session['database'];
      expect(own.name).toBe(database.name);
      expect(await refreshStatus(own.url, own.token)).toBe(200);
    }
    const { body } = await call<Page<{ target: string; actor: string }>>(
      'GET',
      `${fathom.url}/api/v1/audit?action=sign-in&actor=${user.id}`,
      { token: (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token },
    );
    expect(body.items).toMatchObject([{ target: 'every@example.com' }]);
  });

  it('hands an impersonation a token that does not outlive it, and no session', async () => {
    const { user, database } = await signUp(fathom.url, 'seen@example.com');
    const { authStore } = await (await controlPlane(fathom)).collection('users').impersonate(user.id, 60);
    const as = new PocketBase(fathom.globalUrl);
    as.authStore.save(authStore.token);
    const { meta } = await as.collection('users').authRefresh();
    const own = meta?.['database'] as Session['database'];
    expect(own.name).toBe(database.name);
    const claims = getTokenPayload(own.token);
    expect(claims).toMatchObject({ refreshable: false, exp: getTokenPayload(authStore.token)['exp'] });
    expect(await refreshStatus(own.url, own.token)).toBe(200);
    const exchanged = await exchange(authStore.token);
    expect(exchanged).toMatchObject({ status: 401, body: { code: 'auth.failed' } });
  });

  it("gives a session of Fathom's API for a token of the global PocketBase, and for no other", async () => {
    const { user, token, database } = await signUp(fathom.url, 'exchange@example.com');
    const client = new PocketBase(fathom.globalUrl);
    const signedIn = await client.collection('users').authWithPassword('exchange@example.com', PASSWORD);
    const session = await exchange(signedIn.token);
    expect(session).toMatchObject({
      status: 200,
      body: { user: { id: user.id }, database: { name: database.name, token: expect.any(String) as string } },
    });
    const me = await call('GET', `${fathom.url}/api/v1/me`, { token: session.body.token });
    expect(me).toMatchObject({ status: 200, body: { id: user.id } });

    const superuser = await controlPlane(fathom);
    const file = await client.files.getToken();
    for (const wrong of [token, database.token, superuser.authStore.token, file, 'x', `${signedIn.token}x`]) {
      expect(await exchange(wrong)).toMatchObject({ status: 401, body: { code: 'auth.failed' } });
    }
    // No value of a header: neither is the global PocketBase to blame, nor does the token stand in the log.
    for (const odd of ['\r\nX-Other: x', '\n', '\0', ' ', 'é']) {
      for (const wrong of [`${signedIn.token}${odd}`, `${odd}${signedIn.token}`]) {
        expect(await exchange(wrong)).toMatchObject({ status: 401, body: { code: 'auth.failed' } });
      }
    }
    expect(daemon.output()).not.toContain(signedIn.token);
    await superuser.collection('users').update(user.id, { is_active: false });
    expect((await exchange(signedIn.token)).status).toBe(401);
    const log = await fathom.client.audit.list({ action: 'sign-in', target: user.id });
    expect(log.items).toMatchObject([{ outcome: 'ok' }]);
  });

  it('tells administrators of no database', async () => {
    const client = new PocketBase(fathom.globalUrl);
    const { meta } = await client
      .collection('users')
      .authWithPassword(fathom.admin.email, fathom.admin.password);
    expect(meta?.['database']).toBeUndefined();
  });
});

describe("an owner's database", () => {
  let owner: Session;
  let other: Session;

  beforeAll(async () => {
    owner = await signUp(fathom.url, 'owner@example.com');
    other = await signUp(fathom.url, 'other@example.com');
  });

  it('lets the owner in with e-mail and password', async () => {
    const client = new PocketBase(owner.database.url);
    const { record } = await client.collection('users').authWithPassword('Owner@Example.com', PASSWORD);
    expect(record.id).toBe(owner.user.id);
    expect(await refusal(client.collection('users').authWithPassword('other@example.com', PASSWORD))).toBe(
      400,
    );
  });

  it('is closed to sign-ups', async () => {
    const client = new PocketBase(owner.database.url);
    const account = { email: 'intruder@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    expect(await refusal(client.collection('users').create(account))).toBe(403);
    expect(await refusal(signedInAt(owner).collection('users').create(account))).toBe(403);
    const methods = await client.collection('users').listAuthMethods();
    expect(methods).toMatchObject({ oauth2: { enabled: false }, otp: { enabled: false } });
  });

  it.each([
    ['e-mail', { email: 'new@example.com' }],
    [
      'password',
      { oldPassword: PASSWORD, password: 'another-password', passwordConfirm: 'another-password' },
    ],
    ['password hash', { 'password:hash': '$2a$10$abcdefghijklmnopqrstuv' }],
    ['token key', { tokenKey: 'x'.repeat(50) }],
    ['a new token key', { 'tokenKey:autogenerate': '' }],
    ['verification', { verified: true }],
  ])('leaves the %s as it is', async (_, changes) => {
    const client = signedInAt(owner);
    // Refused or ignored: what counts is that the account is as before.
    await client
      .collection('users')
      .update(owner.user.id, changes)
      .catch((error: unknown) => expect(error).toBeInstanceOf(ClientResponseError));
    const account = await client.collection('users').getOne(owner.user.id);
    expect(account).toMatchObject({ email: 'owner@example.com', verified: false });
    await expect(
      new PocketBase(owner.database.url).collection('users').authWithPassword('owner@example.com', PASSWORD),
    ).resolves.toBeDefined();
    expect(await refusal(client.collection('users').delete(owner.user.id))).toBe(403);
  });

  it('shows nothing to another user', async () => {
    const written = await signedInAt(owner)
      .collection('documents')
      .create({
        title: 'private',
        files: new File(['secret text'], 'note.txt'),
      });
    const anonymous = new PocketBase(owner.database.url);
    const stranger = new PocketBase(owner.database.url);
    stranger.authStore.save(other.database.token);
    for (const client of [anonymous, stranger]) {
      const documents = client.collection('documents');
      expect((await documents.getList()).items).toEqual([]);
      expect(await refusal(documents.getOne(written.id))).toBe(404);
      expect(await refusal(documents.update(written.id, { title: 'mine now' }))).toBe(404);
      expect(await refusal(documents.delete(written.id))).toBe(404);
      expect(await refusal(documents.create({ title: 'planted' }))).toBe(400);
      expect((await client.collection('users').getList()).items).toEqual([]);
      const [file] = written['files'] as string[];
      expect((await fetch(client.files.getURL(written, file ?? ''))).status).toBe(404);
    }
    // Fathom's own sessions mean nothing to PocketBase.
    stranger.authStore.save(owner.token);
    expect((await stranger.collection('documents').getList()).items).toEqual([]);
  });
});
