import { cp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Instance } from '../../shared/api/instances.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { controlPlane, databaseRows } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, refreshStatus, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { Realtime } from '../helpers/realtime.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let admin: string;

beforeAll(async () => {
  ({ fathom, admin } = await startedDeployment());
});

afterAll(() => fathom.dispose());

const api = <T = object>(method: string, path: string, token?: string, body?: unknown) =>
  call<T>(method, `${fathom.url}${path}`, { token, body });
const statusOf = async (token: string) => (await api('GET', '/api/v1/me', token)).status;

interface SignedIn {
  session: Session;
  /** Of the global PocketBase. */
  globalToken: string;
  /** At the own database and at the global PocketBase, each subscribed with a token of before. */
  listeners: [Realtime, Realtime];
}

/** Signed in everywhere: a session, a token and a subscription at both PocketBases. */
async function signedInEverywhere(email: string): Promise<SignedIn> {
  const session = await signUp(fathom.url, email);
  const { token: globalToken } = await global().collection('users').authWithPassword(email, PASSWORD);
  const listeners = [
    await listen(session.database.url, 'documents', session.database.token),
    await listen(fathom.globalUrl, `users/${session.user.id}`, globalToken),
  ] satisfies Realtime[];
  return { session, globalToken, listeners: listeners as SignedIn['listeners'] };
}

const global = () => new PocketBase(fathom.globalUrl);

async function listen(pocketBase: string, topic: string, token: string): Promise<Realtime> {
  const listener = new Realtime(pocketBase);
  await listener.connect();
  onTestFinished(() => listener.close());
  expect(await listener.subscribe(topic, token)).toBe(204);
  return listener;
}

async function expectSignedOut({ session, globalToken, listeners }: SignedIn, password = PASSWORD) {
  const { user, database } = session;
  expect(await statusOf(session.token)).toBe(401);
  expect(await refreshStatus(fathom.globalUrl, globalToken)).toBe(401);
  expect(await refreshStatus(database.url, database.token)).toBe(401);
  expect(await exchangeStatus(globalToken)).toBe(401);

  // A new session receives the next events, and the earlier connection does not.
  const again = await signIn(fathom.url, user.email, password);
  const { token } = await global().collection('users').authWithPassword(user.email, password);
  const [own, account] = [
    await listen(database.url, 'documents', again.database.token),
    await listen(fathom.globalUrl, `users/${user.id}`, token),
  ];
  const owner = new PocketBase(database.url);
  owner.authStore.save(again.database.token);
  await owner.collection('documents').create({ title: 'afterwards' });
  await (await controlPlane(fathom)).collection('users').update(user.id, { name: 'afterwards' });
  for (const [before, now] of [
    [listeners[0], own],
    [listeners[1], account],
  ] as const) {
    await until(() => now.titles.includes('afterwards'), { what: 'the event' });
    expect(before.titles).not.toContain('afterwards');
  }
}

const exchangeStatus = async (token: string) =>
  (await api('POST', '/api/v1/auth/exchange', undefined, { token })).status;

describe('signing out everywhere', () => {
  it('ends tokens and subscriptions at the own database and at the global PocketBase', async () => {
    const before = await signedInEverywhere('everywhere@example.com');
    expect(await exchangeStatus(before.globalToken)).toBe(200);
    expect((await api('DELETE', '/api/v1/sessions', before.session.token)).status).toBe(204);
    await expectSignedOut(before);
  });

  it('ends subscriptions where a field that an application made required refuses to save the owner', async () => {
    const before = await signedInEverywhere('required@example.com');
    const row = (await databaseRows(fathom)).find(({ name }) => name === before.session.database.name);
    if (!row) throw new Error('the database has a row');
    const superuser = await asSuperuser(fathom, row);
    const users = await superuser.collections.getOne('users');
    await superuser.collections.update('users', {
      fields: [...users.fields, { name: 'company', type: 'text', required: true }],
    });
    await api('DELETE', `/api/v1/sessions?user_id=${before.session.user.id}`, admin);
    await expectSignedOut(before);
  });

  it('is the same when a superuser changes the token key by hand', async () => {
    const before = await signedInEverywhere('by-hand@example.com');
    const superuser = await controlPlane(fathom);
    await superuser.collection('users').update(before.session.user.id, { 'tokenKey:autogenerate': '' });
    const { url, token } = before.session.database;
    await until(async () => (await refreshStatus(url, token)) === 401, { what: 'the token to be refused' });
    await expectSignedOut(before);
  });

  it('ends the tokens of a database that is stopped, also in a copy of it that is put back', async () => {
    const session = await signUp(fathom.url, 'stopped@example.com');
    const { name, token } = session.database;
    const operate = (verb: string) => api<Instance>('POST', `/api/v1/databases/${name}/${verb}`, admin);
    const data = join(fathom.dataDir, 'user_dbs', name, 'pb_data');
    await operate('stop');
    await cp(data, `${data}-before`, { recursive: true });
    await api('DELETE', `/api/v1/sessions?user_id=${session.user.id}`, admin);
    const started = await operate('start');
    expect(await refreshStatus(started.body.url ?? '', token)).toBe(401);

    await operate('stop');
    await rm(data, { recursive: true });
    await rename(`${data}-before`, data);
    await operate('start');
    const { database } = await signIn(fathom.url, 'stopped@example.com');
    expect(await refreshStatus(database.url, database.token)).toBe(200);
    expect(await refreshStatus(database.url, token)).toBe(401);
  });

  it('does not say that it is done while the own database cannot be written', async () => {
    const session = await signUp(fathom.url, 'unwritten@example.com');
    const { name, token } = session.database;
    const operate = (verb: string) => api<Instance>('POST', `/api/v1/databases/${name}/${verb}`, admin);
    const signOut = () => api('DELETE', `/api/v1/sessions?user_id=${session.user.id}`, admin);
    await operate('stop');
    const file = join(fathom.dataDir, 'user_dbs', name, 'pb_data', 'data.db');
    await rename(file, `${file}-away`);
    await writeFile(file, 'no database'.repeat(100));
    expect(await signOut()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await statusOf(session.token)).toBe(401);
    await rename(`${file}-away`, file);
    expect((await signOut()).status).toBe(204);
    const started = await operate('start');
    expect(await refreshStatus(started.body.url ?? '', token)).toBe(401);
  });

  it.each([
    ['ends by default', 204, (id: string) => api('DELETE', `/api/v1/sessions?user_id=${id}`, admin), 401],
    [
      'stays on request',
      204,
      (id: string) => api('DELETE', `/api/v1/sessions?user_id=${id}&keys=false`, admin),
      200,
    ],
    [
      'ends with another role',
      200,
      (id: string) => api('PATCH', `/api/v1/users/${id}`, admin, { role: 'viewer' }),
      401,
    ],
  ])('an API key %s', async (what, status, change, afterwards) => {
    const { token, user } = await signUp(fathom.url, `key-${what.replaceAll(' ', '-')}@example.com`);
    const { body } = await api<{ key: string }>('POST', '/api/v1/api-keys', token, { name: 'k' });
    expect(await statusOf(body.key)).toBe(200);
    expect((await change(user.id)).status).toBe(status);
    expect(await statusOf(body.key)).toBe(afterwards);
  });

  it('comes with a new password, and API keys end as well', async () => {
    const before = await signedInEverywhere('password@example.com');
    const { token, user, database } = before.session;
    const { body } = await api<{ key: string }>('POST', '/api/v1/api-keys', token, { name: 'k' });
    await (await controlPlane(fathom)).collection('users').update(user.id, {
      password: 'another-password',
      passwordConfirm: 'another-password',
    });
    expect(await statusOf(body.key)).toBe(401);
    await until(async () => (await refreshStatus(database.url, database.token)) === 401, {
      what: 'the token to be refused',
    });
    await expectSignedOut(before, 'another-password');
  });

  it('comes with a new address', async () => {
    const { token, user } = await signUp(fathom.url, 'moves@example.com');
    await (await controlPlane(fathom)).collection('users').update(user.id, { email: 'moved@example.com' });
    expect(await statusOf(token)).toBe(401);
  });
});
