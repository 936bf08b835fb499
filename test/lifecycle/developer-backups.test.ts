import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { clientOf, developer, refused, rowOf, setAccess, superusersOf } from '../helpers/developer.ts';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { PASSWORD, signUp, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { scratch } from '../helpers/scratch.ts';

const SUPERUSER = 'fathom@localhost.internal';
const SECRETS = ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'];

/** What only a developer makes: collections with rows and files, accounts of their own, and settings. */
async function develop(fathom: Deployment, tenant: Tenant): Promise<void> {
  await setAccess(fathom, tenant, 'developer');
  const client = await developer(fathom, tenant);
  await client.collections.create({
    name: 'members',
    type: 'auth',
    fields: [{ name: 'photo', type: 'file', maxSelect: 1 }],
    oauth2: { enabled: true, providers: [{ name: 'google', clientId: 'id', clientSecret: 'secret' }] },
  });
  const { id: usersId } = await client.collections.getOne('users');
  await client.collections.create({
    name: 'posts',
    type: 'base',
    fields: [
      { name: 'title', type: 'text' },
      { name: 'author', type: 'relation', collectionId: usersId, maxSelect: 1 },
    ],
    indexes: ['CREATE INDEX `idx_posts` ON `posts` (`title`)'],
  });
  await client.collections.create({
    name: 'titles',
    type: 'view',
    viewQuery: 'SELECT id, title FROM posts',
  });
  await client.collection('posts').create({ title: 'kept', author: tenant.userId });
  await client.collection('members').create({
    email: 'member@example.com',
    password: PASSWORD,
    passwordConfirm: PASSWORD,
    photo: new File(['a photo'], 'photo.png'),
  });
  await client.settings.update({
    meta: { appName: 'Shop' },
    smtp: { enabled: true, host: 'smtp.example.com', port: 587, username: 'shop', password: 'secret' },
  });
  await addDocument(fathom, tenant, 'kept');
}

/** The owner is a superuser beside Fathom's, and finds everything. */
async function expectDeveloped(fathom: Deployment, tenant: Tenant): Promise<void> {
  const client = await developer(fathom, tenant);
  const emails = (await superusersOf(fathom, tenant)).map(({ email }) => email);
  expect(emails).toEqual([tenant.email, SUPERUSER].toSorted());
  const [post] = await client.collection('posts').getFullList();
  expect(post).toMatchObject({ title: 'kept', author: tenant.userId });
  expect(await client.collection('titles').getFullList()).toMatchObject([{ title: 'kept' }]);
  const [member] = await client.collection('members').getFullList();
  const photo = await fetch(client.files.getURL(member ?? {}, String(member?.['photo'])));
  expect(await photo.text()).toBe('a photo');
  expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
  // It is guarded.
  expect((await refused(client.send('/api/backups', {}))).status).toBe(403);
  expect((await fathom.client.databases.get(tenant.name)).access).toBe('developer');
}

async function settingsOf(fathom: Deployment, tenant: Tenant): Promise<Record<string, unknown>> {
  const { meta, smtp } = await (await developer(fathom, tenant)).settings.getAll();
  return { appName: meta.appName, host: smtp.host, enabled: smtp.enabled, username: smtp.username };
}

const SETTINGS = { appName: 'Shop', host: 'smtp.example.com', enabled: true, username: 'shop' };

/** With what an archive does not have: settings, and passwords of other accounts. */
async function expectAll(fathom: Deployment, tenant: Tenant): Promise<void> {
  await expectDeveloped(fathom, tenant);
  expect(await settingsOf(fathom, tenant)).toEqual(SETTINGS);
  const member = await clientOf(fathom, tenant);
  await member.collection('members').authWithPassword('member@example.com', PASSWORD);
}

async function expectApp(fathom: Deployment, tenant: Tenant): Promise<void> {
  expect((await superusersOf(fathom, tenant)).map(({ email }) => email)).toEqual([SUPERUSER]);
  expect((await refused(developer(fathom, tenant))).status).toBe(400);
  const fathoms = await asSuperuser(fathom, await rowOf(fathom, tenant));
  expect((await fathoms.settings.getAll())['superuserIPs']).toEqual(['127.0.0.1', '::1']);
}

const run = (fathom: Deployment, ...argv: string[]) =>
  runInProcess([...argv, '--socket', fathom.socketPath], { cwd: fathom.dataDir });

it('a restore, a drill and an archive keep what a developer has made, and the access of today', async () => {
  const fathom = await deployment();
  await fathom.start();
  const ann = await signUp(fathom, 'ann');
  await develop(fathom, ann);
  const { backups, databases } = fathom.client;
  await backups.create(ann.name);
  expect(await backups.drill(ann.name)).toMatchObject({ problem: null });
  const client = await developer(fathom, ann);
  for (const collection of ['titles', 'posts']) await client.collections.delete(collection);
  await client.settings.update({ meta: { appName: 'Other' }, smtp: { enabled: false, host: '' } });
  await backups.restore(ann.name, 'latest', {});
  await expectAll(fathom, ann);

  await setAccess(fathom, ann, 'app');
  await backups.restore(ann.name, 'latest', {});
  await expectApp(fathom, ann);
  await backups.create(ann.name);
  await setAccess(fathom, ann, 'developer');
  await backups.restore(ann.name, 'latest', {});
  await expectAll(fathom, ann);

  expect(await run(fathom, 'databases', 'archive', ann.name, '--yes')).toMatchObject({ code: 0 });
  await databases.wake(ann.name);
  await expectAll(fathom, ann);
}, 240_000);

it('an import gives an owner what a developer has made, with the access of the owner', async () => {
  const fathom = await deployment();
  await fathom.start();
  const [ann, ben] = [await signUp(fathom, 'ann'), await signUp(fathom, 'ben')];
  await develop(fathom, ann);
  await fathom.client.backups.create(ann.name);
  const file = join(await scratch(), 'ann.tar');
  expect(await run(fathom, 'backups', 'export', ann.name, file)).toMatchObject({ code: 0 });

  await setAccess(fathom, ben, 'developer');
  await fathom.client.imports.archive(ben.userId, { file });
  await expectDeveloped(fathom, ben);
  await setAccess(fathom, ben, 'app');
  await fathom.client.imports.archive(ben.userId, { file });
  await expectApp(fathom, ben);
  // The former owner's superuser opens nothing.
  const client = await clientOf(fathom, ben);
  expect((await refused(client.collection('_superusers').authWithPassword(ann.email, PASSWORD))).status).toBe(
    400,
  );
}, 240_000);

it('a developer database comes back on an empty host', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const ann = await signUp(fathom, 'ann');
  await develop(fathom, ann);
  const outside = await scratch();
  const [target, keyFile] = [join(outside, 'target'), join(outside, 'key')];
  const { recovery_key } = await fathom.client.backups.createRecoveryKey({ replace: false });
  await writeFile(keyFile, recovery_key, { mode: 0o600 });
  expect(await run(fathom, 'backups', 'create', '--all')).toMatchObject({ code: 0 });
  await cp(join(fathom.dataDir, 'backups'), target, { recursive: true });
  await daemon.stop();
  for (const entry of await readdir(fathom.dataDir))
    await rm(join(fathom.dataDir, entry), { recursive: true });
  for (const name of SECRETS) delete fathom.env[name];
  const restored = await runInProcess(
    ['restore', '--from', target, '--recovery-key', keyFile, '--data-dir', fathom.dataDir],
    { cwd: '/', env: fathom.env },
  );
  expect(restored).toMatchObject({ code: 0 });
  await fathom.start();
  await untilRunning(fathom, ann.name);
  await expectAll(fathom, ann);
}, 240_000);
