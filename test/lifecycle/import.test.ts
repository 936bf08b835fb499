import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeLastVersion } from '../../daemon/pocketbase/data/last-version.ts';
import { type MadeFile, packArchive, writeArchive } from '../helpers/archives.ts';
import { backUp } from '../helpers/backups.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { addDocument, readAsOwner, titlesOf } from '../helpers/documents.ts';
import { instance, PASSWORD, signUp, type Tenant } from '../helpers/fleet-actions.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { call } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';
import { dataFileOf, makesCollection, putMigration, readUserDatabase } from '../helpers/user-migrations.ts';

/** The deployment into which archives are imported. */
const shared = sharedDeployment();

const directoryOf = (fathom: Deployment, { name }: Pick<Tenant, 'name'>) =>
  join(fathom.dataDir, 'user_dbs', name);

/** Runs a command on the host of the deployment, with what a person types. */
const cli = (fathom: Deployment, input: string, ...argv: string[]) =>
  runInProcess([...argv, '--socket', fathom.socketPath], { cwd: fathom.dataDir, input });

/** Exports the last backup of a database that has a document, and one with a relation to its owner. */
async function exportFrom(fathom: Deployment, tenant: Tenant, file: string): Promise<void> {
  await addDocument(fathom, tenant, 'kept');
  const row = (await databaseRows(fathom)).find(({ name }) => name === tenant.name);
  const superuser = await asSuperuser(fathom, row ?? expect.fail('no row'));
  const { id: usersId } = await superuser.collections.getOne('users');
  await superuser.collections.create({
    name: 'notes',
    type: 'base',
    listRule: 'author = @request.auth.id',
    viewRule: 'readers ~ @request.auth.id',
    fields: [
      { name: 'author', type: 'relation', collectionId: usersId, maxSelect: 1 },
      { name: 'readers', type: 'relation', collectionId: usersId, maxSelect: 5 },
    ],
  });
  await superuser.collection('notes').create({ author: tenant.userId, readers: [tenant.userId] });
  await fathom.client.backups.create(tenant.name);
  expect(await cli(fathom, '', 'backups', 'export', tenant.name, file)).toMatchObject({ code: 0 });
}

describe('an archive of another deployment', () => {
  let directory: string;
  let other: string;
  let exported: Tenant;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fathom-import-'));
    other = join(directory, 'exported.tar');
    const fathom = await createDeployment();
    try {
      await fathom.start();
      exported = await signUp(fathom, 'ann');
      await exportFrom(fathom, exported, other);
    } finally {
      await fathom.dispose();
    }
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('becomes the database of an owner, with records, files and relations', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom, 'bob');
    await addDocument(fathom, tenant, 'of before');
    const args = ['backups', 'import', other, '--owner', tenant.email];
    expect(await cli(fathom, 'another\n', ...args)).toMatchObject({
      code: 2,
      err: textWith('nothing was imported'),
    });
    expect(titlesOf(fathom, tenant)).toEqual(['of before']);
    expect(await cli(fathom, `${tenant.email}\n`, ...args)).toMatchObject({
      code: 0,
      out: textWith(exported.name, 'is running', 'pb_data.before-'),
    });

    expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
    const { url } = await instance(fathom, tenant.name);
    const owner = new PocketBase(url ?? '');
    await owner.collection('users').authWithPassword(tenant.email, PASSWORD);
    const [note] = await owner.collection('notes').getFullList({ expand: 'author' });
    expect(note).toMatchObject({ author: tenant.userId, readers: [tenant.userId] });
    expect(note?.expand).toMatchObject({ author: { id: tenant.userId } });
    // Through the API, and with Fathom's own superuser.
    const { database } = await fathom.client.auth.login({ email: tenant.email, password: PASSWORD });
    await addDocument(fathom, { ...tenant, ownerToken: database?.token ?? '' }, 'later');
    expect((await fathom.client.databases.collections(tenant.name)).items.length).toBeGreaterThan(1);
    // The owner of before has no account here.
    await expect(
      new PocketBase(url ?? '').collection('users').authWithPassword(exported.email, PASSWORD),
    ).rejects.toMatchObject({ status: 400 });
    const ids = readUserDatabase(fathom, tenant.name, (opened) =>
      opened.prepare('SELECT id FROM users').all(),
    );
    expect(ids.map(({ id }) => id)).toEqual([tenant.userId]);

    expect(existsSync(join(directoryOf(fathom, tenant), 'restore'))).toBe(false);
    const { items } = await fathom.client.audit.list({ action: 'backup.import' });
    expect(items.find(({ outcome }) => outcome === 'ok')).toMatchObject({ target: textWith(tenant.userId) });
    // What was imported can be backed up and restored.
    await backUp(fathom, tenant.name);
    await fathom.client.backups.restore(tenant.name, 'latest', {});
    expect((await readAsOwner(fathom, tenant)).map(([title]) => title)).toEqual(['kept', 'later']);
  });

  it('applies the migrations of this deployment at the first start', async () => {
    const fathom = await deployment();
    await putMigration(fathom, '1900000001_extra.js', makesCollection('extra'));
    await fathom.start();
    const tenant = await signUp(fathom);
    await fathom.client.imports.archive(tenant.userId, { file: other });
    const { items } = await fathom.client.databases.collections(tenant.name);
    expect(items.map(({ name }) => name)).toEqual(expect.arrayContaining(['extra', 'notes']));
    expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
  });

  it('keeps a database stopped that is stopped', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    await fathom.client.databases.stop(tenant.name);
    expect(await fathom.client.imports.archive(tenant.userId, { file: other })).toMatchObject({
      phase: 'stopped',
    });
    await fathom.client.databases.start(tenant.name);
    expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
  });

  it('is refused where it cannot be imported, and changes nothing', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'now');
    const importFor = (id: string, file = other) => fathom.client.imports.archive(id, { file });
    // Over the network, it would name files of the host.
    const path = `${fathom.url}/api/v1/users/${tenant.userId}/import`;
    const admin = await fathom.client.auth.login(fathom.admin);
    expect((await call('POST', path, { token: admin.token, body: { file: other } })).status).toBe(403);
    expect((await call('POST', path, { token: tenant.token, body: { file: other } })).status).toBe(403);
    await expect(importFor(admin.user.id)).rejects.toMatchObject({ code: 'conflict' });
    await expect(importFor('abcdefghijklmno')).rejects.toMatchObject({ code: 'not_found' });
    expect(
      await cli(fathom, '', 'backups', 'import', 'missing.tar', '--owner', tenant.email, '--yes'),
    ).toMatchObject({ code: 70, err: textWith(join(fathom.dataDir, 'missing.tar'), 'cannot open') });
    const part = await writeArchive((await readFile(other)).subarray(0, 20_000));
    await expect(importFor(tenant.userId, part)).rejects.toMatchObject({
      code: 'backup.failed',
      message: textWith('copy it again'),
    });
    await fathom.client.databases.update(tenant.name, { disk_mb: 16 });
    const large = await writeArchive(
      await packArchive([
        { path: 'data.db', content: 'x' },
        { path: 'storage/c/r/x', content: Buffer.alloc(17 * 1024 * 1024) },
      ]),
    );
    await expect(importFor(tenant.userId, large)).rejects.toMatchObject({
      code: 'backup.failed',
      message: textWith('the disk limit'),
    });
    expect(await readdir(directoryOf(fathom, tenant))).not.toContain('restore');
    expect(await readAsOwner(fathom, tenant)).toEqual([['now', 'file of now']]);
  });

  /** The database of the archive, with changes that no export makes. */
  async function changed(change: (database: DatabaseSync) => void): Promise<string> {
    const out = await scratch();
    await execa('tar', ['-xf', other, '--strip-components=1', '-C', out]);
    const file = join(out, 'data.db');
    {
      using database = new DatabaseSync(file);
      change(database);
    }
    const files: MadeFile[] = [{ path: 'data.db', content: await readFile(file) }];
    return writeArchive(await packArchive(files));
  }

  it('opens nothing that was put into it', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const secret = randomBytes(25).toString('hex');
    const file = await changed((database) => {
      database.exec(`
        INSERT INTO _superusers (id, email, password, tokenKey, verified, created, updated)
          VALUES ('intruder1234567', 'intruder@example.com', '!', '${secret}', 1, '', '');
        UPDATE users SET tokenKey = '${secret}';
        CREATE TABLE _fathom_access_before (value TEXT NOT NULL);
        CREATE TRIGGER spy AFTER UPDATE ON users BEGIN UPDATE users SET verified = 0; END;
        CREATE TRIGGER other AFTER INSERT ON documents BEGIN DELETE FROM documents; END;
        UPDATE _collections SET options = json_set(options, '$.authToken.secret', '${secret}') WHERE type = 'auth';
        UPDATE _collections SET listRule = '', createRule = '' WHERE name = 'users';`);
      const access = {
        superusers: ['intruder1234567'],
        users: ['abcdefghijklmno'],
        secrets: [['_pb_users_auth_', 'authToken', secret]],
        owner: null,
      };
      database.prepare('INSERT INTO _fathom_access_before VALUES (?)').run(JSON.stringify(access));
    });
    expect(await fathom.client.imports.archive(tenant.userId, { file })).toMatchObject({ phase: 'running' });
    expect((await readFile(dataFileOf(fathom, tenant.name))).includes('intruder@')).toBe(false);
    const found = readUserDatabase(fathom, tenant.name, (database) => ({
      superusers: database.prepare('SELECT email FROM _superusers').all(),
      secrets: database
        .prepare('SELECT count(*) AS n FROM _collections WHERE instr(options, ?)')
        .get(secret)?.['n'],
      keys: database.prepare('SELECT count(*) AS n FROM users WHERE tokenKey = ?').get(secret)?.['n'],
      rule: database.prepare("SELECT createRule FROM _collections WHERE name = 'users'").get()?.[
        'createRule'
      ],
      triggers: database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .all()
        .map(({ name }) => name),
    }));
    expect(found).toMatchObject({ secrets: 0, keys: 0, rule: null });
    expect(found.superusers).toHaveLength(1);
    expect(found.triggers).not.toEqual(expect.arrayContaining(['spy']));
    expect(found.triggers).not.toEqual(expect.arrayContaining(['other']));
    const { url } = await instance(fathom, tenant.name);
    const owner = new PocketBase(url ?? '');
    await owner.collection('users').authWithPassword(tenant.email, PASSWORD);
    expect(await owner.collection('documents').getFullList()).toHaveLength(1);
  });

  it.each<[string, string, (database: DatabaseSync) => void]>([
    ['was written by a later PocketBase', '9.9.9', (database) => writeLastVersion(database, '9.9.9')],
    [
      'has two accounts',
      'exactly one account',
      (database) =>
        database.exec(
          `INSERT INTO users (id, email, password, tokenKey) VALUES ('abcdefghijklmno', 'x@example.com', '!', 'k')`,
        ),
    ],
    [
      'has an account with an odd id',
      'exactly one account',
      (database) => database.exec(`UPDATE users SET id = '../../../x'`),
    ],
    [
      'has a view in place of accounts',
      'users',
      (database) =>
        database.exec('ALTER TABLE users RENAME TO real; CREATE VIEW users AS SELECT * FROM real'),
    ],
    ['has no collections', 'archive', (database) => database.exec('DROP TABLE _collections')],
    ['is no database', 'not a database', (database) => database.exec('PRAGMA user_version = 1')],
  ])('is refused when it %s', async (what, message, change) => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'now');
    const file =
      what === 'is no database'
        ? await writeArchive(await packArchive([{ path: 'data.db', content: 'x'.repeat(8192) }]))
        : await changed(change);
    const refused = await fathom.client.imports.archive(tenant.userId, { file }).then(
      () => null,
      (error: Error) => error,
    );
    expect(refused).toMatchObject({ message: textWith(message) });
    expect(await readdir(directoryOf(fathom, tenant))).not.toContain('restore');
    expect(await readAsOwner(fathom, tenant)).toEqual([['now', 'file of now']]);
  });
});

it('brings an archive of the same owner back after the database was deleted', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const file = join(await scratch(), 'exported.tar');
  await exportFrom(fathom, tenant, file);
  await fathom.client.databases.delete(tenant.name);
  const imported = await fathom.client.imports.archive(tenant.userId, { file });
  expect(imported.database).not.toBe(tenant.name);
  expect(await readAsOwner(fathom, { ...tenant, name: imported.database })).toEqual([
    ['kept', 'file of kept'],
  ]);
});
