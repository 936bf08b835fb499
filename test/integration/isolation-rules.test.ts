import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { controlPlane, databaseRows } from '../helpers/fleet-state.ts';
import { call, PASSWORD, type Session, signUp } from '../helpers/http-call.ts';

/** Below `/internal/`. */
const HOOK_PATHS = [
  'users/created',
  'users/signed-in',
  'users/changed',
  'identities/changed',
  'sign-ins/begun',
  'sign-ins/ended',
  'sign-ups',
  'superuser',
  'queue/wake',
];

let fathom: Deployment;
let superuser: PocketBase;
let ann: Session;
let bob: Session;
/** Signed in at the global PocketBase. */
let asAnn: PocketBase;
let anonymous: PocketBase;
let tasks: { ann: string; bob: string; unowned: string };

beforeAll(async () => {
  fathom = await createDeployment();
  await fathom.start();
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
  superuser = await controlPlane(fathom);
  asAnn = new PocketBase(fathom.globalUrl);
  await asAnn.collection('users').authWithPassword('ann@example.com', PASSWORD);
  anonymous = new PocketBase(fathom.globalUrl);
  const task = async (user: string) =>
    (await superuser.collection('global_queue').create({ type: 'test.task', user, status: 'pending' })).id;
  tasks = { ann: await task(ann.user.id), bob: await task(bob.user.id), unowned: await task('') };
});

afterAll(() => fathom.dispose());

/** What ann is shown. */
async function own(collection: string, query = {}) {
  return (await asAnn.collection(collection).getList(1, 50, query)).items;
}

describe('at the global PocketBase', () => {
  it('a user sees its own rows alone', async () => {
    expect((await own('users')).map(({ id }) => id)).toEqual([ann.user.id]);
    expect((await own('user_databases')).map(({ name }) => name as string)).toEqual([ann.database.name]);
    expect((await own('global_queue')).map(({ id }) => id)).toEqual([tasks.ann]);

    // Nor by name, by filter, or by way of a relation.
    const [, row] = await databaseRows(fathom);
    expect(row?.user).toBe(bob.user.id);
    for (const [collection, id] of [
      ['users', bob.user.id],
      ['user_databases', row?.id ?? ''],
      ['global_queue', tasks.bob],
      ['global_queue', tasks.unowned],
    ] as const) {
      await expect(asAnn.collection(collection).getOne(id)).rejects.toMatchObject({ status: 404 });
    }
    expect(await own('users', { filter: "email ~ 'bob'" })).toEqual([]);
    expect(await own('user_databases', { filter: `user = '${bob.user.id}'`, expand: 'user' })).toEqual([]);
  });

  it('anonymous sees nothing', async () => {
    for (const collection of ['users', 'user_databases', 'global_queue']) {
      expect((await anonymous.collection(collection).getList()).items).toEqual([]);
    }
    await expect(anonymous.collection('users').getOne(ann.user.id)).rejects.toMatchObject({ status: 404 });
    for (const id of [tasks.ann, tasks.unowned]) {
      await expect(anonymous.collection('global_queue').getOne(id)).rejects.toMatchObject({ status: 404 });
    }
    await expect(anonymous.collection('database_days').getList()).rejects.toMatchObject({ status: 403 });
    await expect(asAnn.collection('database_days').getList()).rejects.toMatchObject({ status: 403 });
    await expect(asAnn.collection('_superusers').getList()).rejects.toMatchObject({ status: 403 });
    await expect(asAnn.collections.getFullList()).rejects.toMatchObject({ status: 403 });
    await expect(asAnn.settings.getAll()).rejects.toMatchObject({ status: 403 });
  });

  it.each([
    ['POST', '/api/fathom/databases/reserve'],
    ['POST', '/api/fathom/databases/ready'],
    ['GET', '/api/fathom/databases'],
  ])('%s %s is for the daemon alone', async (method, path) => {
    const url = `${fathom.globalUrl}${path}`;
    const body = method === 'POST' ? { user: ann.user.id, username: 'x', day: '2024-01-15' } : undefined;
    expect(await call(method, url, { body })).toMatchObject({ status: 401 });
    const headers = { authorization: asAnn.authStore.token };
    expect(await call(method, url, { body, headers })).toMatchObject({ status: 403 });
  });

  it('the superuser secret of an instance is shown to superusers alone', async () => {
    const shown = await asAnn.collection('user_databases').getFullList({ fields: '*', expand: 'user' });
    expect(shown).toHaveLength(1);
    expect(JSON.stringify(shown)).not.toContain('superuser_secret');
    for (const query of [{ filter: "superuser_secret ~ 'v1%'" }, { sort: 'superuser_secret' }]) {
      await expect(asAnn.collection('user_databases').getList(1, 1, query)).rejects.toMatchObject({
        status: 400,
      });
    }
    // A back relation is another way to the same field.
    await expect(
      asAnn.collection('users').getList(1, 1, { filter: "user_databases_via_user.superuser_secret ~ 'v1%'" }),
    ).rejects.toMatchObject({ status: 400 });
    const rows = await databaseRows(fathom);
    expect(rows.every(({ superuser_secret }) => superuser_secret.startsWith('v1.'))).toBe(true);
  });

  it('unowned but superusers writes rows of databases and of the queue', async () => {
    const [row] = await databaseRows(fathom);
    const { id = '', name = '' } = row ?? {};
    expect(row?.user).toBe(ann.user.id);
    for (const client of [asAnn, anonymous]) {
      const databases = client.collection('user_databases');
      await expect(databases.update(id, { name: 'x' })).rejects.toMatchObject({ status: 403 });
      await expect(databases.update(id, { user: bob.user.id })).rejects.toMatchObject({ status: 403 });
      await expect(databases.delete(id)).rejects.toMatchObject({ status: 403 });
      await expect(databases.create({ name, user: ann.user.id })).rejects.toMatchObject({ status: 403 });
      const queue = client.collection('global_queue');
      await expect(queue.create({ type: 'x', status: 'pending' })).rejects.toMatchObject({ status: 403 });
      await expect(queue.update(tasks.ann, { status: 'done' })).rejects.toMatchObject({ status: 403 });
      await expect(queue.delete(tasks.ann)).rejects.toMatchObject({ status: 403 });
    }
  });
});

/** Fields that a user might send to gain permissions. */
const PROMOTIONS: [string, Record<string, unknown>][] = [
  ['a role', { role: 'admin' }],
  ['a role by the + modifier', { 'role+': 'admin' }],
  ['a role by the prefix + modifier', { '+role': 'admin' }],
  ['is_active', { is_active: true }],
  ['is_active as false', { is_active: false }],
  ['verified', { verified: true }],
  ['a token key', { tokenKey: 'k'.repeat(50) }],
  ['a password hash', { 'password:hash': `$2a$10$${'a'.repeat(53)}` }],
];

describe('unowned makes themselves more than a user', () => {
  it.each(PROMOTIONS)('at sign-up with %s', async (what, extra) => {
    const email = `up-${PROMOTIONS.findIndex(([name]) => name === what)}@example.com`;
    const account = { email, password: PASSWORD, passwordConfirm: PASSWORD, ...extra };
    for (const body of [account, asForm(account)]) {
      await anonymous
        .collection('users')
        .create(body)
        .catch(() => null);
      const stored = await superuser
        .collection('users')
        .getList(1, 1, { filter: superuser.filter('email = {:email}', { email }) });
      for (const record of stored.items) expectPlainUser(record);
    }
  });

  it.each(PROMOTIONS)('by changing the account with %s', async (_, changes) => {
    const before = await superuser.collection('users').getOne(ann.user.id);
    for (const body of [changes, asForm(changes)]) {
      await asAnn
        .collection('users')
        .update(ann.user.id, body)
        .catch(() => null);
      const after = await superuser.collection('users').getOne(ann.user.id);
      expectPlainUser(after);
      expect(after['tokenKey']).toBe(before['tokenKey']);
    }
    // The session is still good, so neither password nor token key changed.
    await expect(asAnn.collection('users').authRefresh()).resolves.toBeDefined();
  });

  it('nor for others, and an account cannot be deleted by its owner', async () => {
    await expect(asAnn.collection('users').update(bob.user.id, { name: 'x' })).rejects.toMatchObject({
      status: 404,
    });
    await expect(asAnn.collection('users').delete(ann.user.id)).rejects.toMatchObject({ status: 403 });
    await expect(asAnn.collection('users').update(ann.user.id, { name: 'Ann' })).resolves.toMatchObject({
      name: 'Ann',
    });
  });

  it("with the API's own sign-up", async () => {
    const answer = await call('POST', `${fathom.url}/api/v1/auth/register`, {
      body: { email: 'api@example.com', password: PASSWORD, role: 'admin' },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  });

  it('by pretending to be a hook or the daemon', async () => {
    for (const headers of [{}, { 'x-fathom-hook-token': '' }, { 'x-fathom-hook-token': 'x'.repeat(43) }]) {
      for (const path of HOOK_PATHS) {
        // A body without the fields of the hook: the token is checked before it.
        for (const body of [{}, { user_id: ann.user.id, email: 'ann@example.com' }]) {
          const answer = await call('POST', `${fathom.url}/internal/${path}`, { body, headers });
          expect(answer, path).toMatchObject({ status: 404 });
        }
      }
    }
  });
});

function expectPlainUser(record: Record<string, unknown>): void {
  expect(record).toMatchObject({ role: 'user', is_active: true, verified: false });
  expect(record['tokenKey']).not.toBe('k'.repeat(50));
}

/** The same as multipart, PocketBase's other way in. */
function asForm(values: Record<string, unknown>): FormData {
  const form = new FormData();
  for (const [key, value] of Object.entries(values)) form.set(key, String(value));
  form.set('@jsonPayload', JSON.stringify(values));
  return form;
}
