import { existsSync } from 'node:fs';
import { join } from 'node:path';
import PocketBase, { type ClientResponseError } from 'pocketbase';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseDatabaseName } from '../../shared/database-name.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;

beforeAll(async () => {
  fathom = await createDeployment({ DATABASE_TRASH_DAYS: '3' });
  await fathom.start();
});

afterAll(() => fathom.dispose());

const run = (args: string[], input = '') => fathomd([...args, '--socket', fathom.socketPath], { input });

const deletedOf = async (name: string) =>
  (await fathom.client.trash.all()).find((one) => one.name === name) ?? null;

const logIn = (email: string) =>
  call('POST', `${fathom.url}/api/v1/auth/login`, { body: { email, password: PASSWORD } });

const atGlobal = (email: string) =>
  new PocketBase(fathom.globalUrl)
    .collection('users')
    .authWithPassword(email, PASSWORD)
    .then(
      () => null,
      (error: unknown) => error as ClientResponseError,
    );

async function write({ database }: Session, title: string): Promise<void> {
  const { status } = await call('POST', `${database.url}/api/collections/documents/records`, {
    headers: { authorization: database.token },
    body: { title },
  });
  expect(status).toBe(200);
}

async function titlesOf({ database }: Session): Promise<string[]> {
  const { body } = await call<{ items: { title: string }[] }>(
    'GET',
    `${database.url}/api/collections/documents/records`,
    { headers: { authorization: database.token } },
  );
  return body.items.map(({ title }) => title);
}

it('keeps a deleted database, its port and its name, refuses its owner, and brings it back', async () => {
  const ann = await signUp(fathom.url, 'ann@example.com');
  const { name, port } = ann.database;
  await write(ann, 'kept');
  const { stdout, exitCode } = await run(['databases', 'delete', name], name);
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('undelete')]);

  const deleted = await deletedOf(name);
  expect(deleted).toMatchObject({
    state: 'deleted',
    email: 'ann@example.com',
    account: false,
    problem: null,
  });
  const days = (Date.parse(deleted?.erase_at ?? '') - Date.parse(deleted?.deleted_at ?? '')) / 86_400_000;
  expect(days).toBe(3);
  expect((await fathom.client.databases.all()).map((one) => one.name)).not.toContain(name);
  expect(existsSync(join(fathom.dataDir, 'user_dbs', name, 'pb_data', 'data.db'))).toBe(true);
  await expect(fathom.client.databases.start(name)).rejects.toMatchObject({ code: 'database.deleted' });

  const day = (deleted?.erase_at ?? '').slice(0, 10);
  const refused = await logIn('ann@example.com');
  expect([refused.status, refused.body.code]).toEqual([403, 'database.deleted']);
  expect(refused.body.detail).toContain(day);
  const refusedThere = await atGlobal('ann@example.com');
  expect([refusedThere?.status, refusedThere?.message]).toEqual([403, expect.stringContaining(day)]);
  // A session of before, too.
  expect((await call('GET', `${fathom.url}/api/v1/me`, { token: ann.token })).status).toBe(401);

  const beth = await signUp(fathom.url, 'beth@example.com');
  expect(beth.database.port).not.toBe(port);
  expect(parseDatabaseName(beth.database.name)?.number).not.toBe(parseDatabaseName(name)?.number);

  // Deleting it again changes nothing.
  await expect(fathom.client.databases.delete(name)).resolves.toBeUndefined();
  const back = await run(['databases', 'undelete', name]);
  expect([back.exitCode, back.stdout]).toEqual([0, expect.stringContaining('running')]);
  expect(await deletedOf(name)).toBeNull();
  const again = await signIn(fathom.url, 'ann@example.com');
  expect(again.database).toMatchObject({ name, port });
  expect(await titlesOf(again)).toEqual(['kept']);
  const { items } = await fathom.client.audit.list({ target: name });
  expect(items.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['database.delete', 'database.undelete']),
  );
});

it('brings an account back with its database, and keeps its address until then', async () => {
  const email = 'cleo@example.com';
  const cleo = await signUp(fathom.url, email);
  const { name } = cleo.database;
  await write(cleo, 'with the account');
  await fathom.client.users.delete(cleo.user.id);

  const user = await fathom.client.users.get(cleo.user.id);
  expect(user).toMatchObject({ is_active: false, database: name, erase_at: expect.any(String) as string });
  const refused = await logIn(email);
  expect([refused.status, refused.body.code]).toEqual([403, 'database.deleted']);
  expect((await atGlobal(email))?.message).toContain((user.erase_at ?? '').slice(0, 10));
  // Without the password, nothing says that there was an account.
  const other = await call('POST', `${fathom.url}/api/v1/auth/login`, {
    body: { email, password: 'wrong-one' },
  });
  expect([other.status, other.body.code]).toEqual([401, 'auth.failed']);
  await expect(signUp(fathom.url, email)).rejects.toThrow('auth.email_taken');
  await expect(fathom.client.users.update(cleo.user.id, { is_active: true })).rejects.toMatchObject({
    code: 'database.deleted',
  });

  const both = await Promise.allSettled([
    fathom.client.trash.undelete(name),
    fathom.client.trash.undelete(name),
  ]);
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'conflict' } });
  const again = await signIn(fathom.url, email);
  expect(again.user.id).toBe(cleo.user.id);
  expect(await titlesOf(again)).toEqual(['with the account']);
});

it('erases a database with its account and all of its backups', async () => {
  const email = 'dora@example.com';
  const dora = await signUp(fathom.url, email);
  const { name } = dora.database;
  await fathom.client.backups.create(name);
  await expect(fathom.client.trash.erase(name)).rejects.toMatchObject({ code: 'conflict' });
  await fathom.client.users.delete(dora.user.id);
  const { exitCode } = await run(['databases', 'erase', name], name);
  expect(exitCode).toBe(0);
  await until(async () => (await deletedOf(name)) === null, { what: 'the erasure to end' });
  const target = join(fathom.dataDir, 'backups');
  for (const path of [`keys/${name}.json`, `manifests/${name}`, `chunks/${name}`])
    expect(existsSync(join(target, path))).toBe(false);
  expect(existsSync(join(fathom.dataDir, 'user_dbs', name))).toBe(false);
  await expect(fathom.client.users.get(dora.user.id)).rejects.toMatchObject({ code: 'not_found' });
  await expect(fathom.client.trash.undelete(name)).rejects.toMatchObject({ code: 'not_found' });
  const again = await signUp(fathom.url, email);
  expect(again.user.id).not.toBe(dora.user.id);
  expect(again.database.name).not.toBe(name);
});
