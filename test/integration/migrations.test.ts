import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { MigrationProblem } from '../../shared/api/migrations.ts';
import { BROKEN_MIGRATIONS } from '../fixtures/broken-migrations.ts';
import { createDeployment, type Daemon, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { untilRunning } from '../helpers/fleet-actions.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { testedPocketBase } from '../helpers/tested-pocketbase.ts';
import { until } from '../helpers/until.ts';
import {
  changeUserDatabase,
  hasCollectionIn,
  makesCollection,
  migrationsOf,
  putMigration,
  SEEDS_A_FILE,
} from '../helpers/user-migrations.ts';

const { version } = await verifyBinary(await testedPocketBase());

let fathom: Deployment;
let daemon: Daemon;
let first: Session;
let count = 0;

beforeAll(async () => {
  fathom = await createDeployment();
  await putMigration(fathom, '1800000000_seeds.js', SEEDS_A_FILE);
  daemon = await fathom.start({}, SCRIPTED);
  first = await signUp(fathom.url, 'first@example.com');
});

afterAll(() => fathom.dispose());

async function restarted(name = first.database.name): Promise<void> {
  await fathom.client.databases.restart(name);
}

async function problem(): Promise<MigrationProblem | null> {
  return (await fathom.client.migrations.status()).problem;
}

async function pidOf({ database }: Session): Promise<number | null> {
  return (await fathom.client.databases.get(database.name)).pid;
}

function newcomer(): Promise<Session> {
  count += 1;
  return signUp(fathom.url, `newcomer${count}@example.com`);
}

const hasCollection = (session: Session, name: string) =>
  hasCollectionIn(fathom, session.database.name, name);

describe('files that a migration seeds', () => {
  it('are in every new database', async () => {
    for (const { database } of [first, await newcomer()]) {
      const client = new PocketBase(database.url);
      const seed = await client.collection('seeds').getFirstListItem('');
      const file = await fetch(client.files.getURL(seed, String(seed['file'])));
      await expect(file.text()).resolves.toBe('seeded');
    }
  });
});

it('a file that no start has read yet is shown as not tried out', async () => {
  const shown = async () => {
    const { in_use, untried } = await fathom.client.migrations.status();
    const there = { cwd: fathom.dataDir, env: fathom.env };
    const { exitCode } = await fathomd(['migrations', 'status', '--check'], there);
    const inDoctor = (await doctorFindings(fathom)).find(({ id }) => id === 'migrations')?.level;
    return { in_use, untried, exitCode, inDoctor };
  };
  await putMigration(fathom, '1900000001_new.js', makesCollection('unread'));
  const untried = ['1900000001_new.js'];
  expect(await shown()).toEqual({ in_use: false, untried, exitCode: 1, inDoctor: 'warning' });
  await restarted();
  expect(await shown()).toEqual({ in_use: true, untried: [], exitCode: 0, inDoctor: 'ok' });
});

describe('a set of broken migrations', () => {
  beforeEach(() => rm(join(migrationsOf(fathom), '1900000000_x.js'), { force: true }));

  it.each(Object.entries(BROKEN_MIGRATIONS))(
    '%s: is refused with file and reason; what runs goes on',
    async (_, { text, is }) => {
      const before = await pidOf(first);
      await putMigration(fathom, '1900000000_x.js', text);
      // Another database: the one that runs is not touched by a check.
      const { database } = await newcomerOnce();
      await fathom.client.databases.restart(database.name);
      expect(await problem()).toMatchObject(is);
      await expect(fathom.client.databases.get(database.name)).resolves.toMatchObject({
        phase: 'running',
        reason: null,
      });
      expect(await pidOf(first)).toBe(before);
    },
  );

  let one: Session | null = null;
  async function newcomerOnce(): Promise<Session> {
    one ??= await newcomer();
    return one;
  }

  it('leaves new users a database of the last good one; the corrected file reaches databases by `databases start`', async () => {
    await putMigration(fathom, '1900000000_x.js', 'migrate((app) => { const x = ; });');
    await restarted();
    expect(await problem()).toMatchObject({ code: 'syntax' });
    const meanwhile = await newcomer();
    expect(await hasCollection(meanwhile, 'seeds')).toBe(true);
    await fathom.client.databases.stop(meanwhile.database.name);

    await putMigration(fathom, '1900000000_x.js', makesCollection('corrected'));
    await fathom.client.databases.start(meanwhile.database.name);
    expect(await problem()).toBeNull();
    expect(await hasCollection(meanwhile, 'corrected')).toBe(true);
    expect(await hasCollection(await newcomer(), 'corrected')).toBe(true);
    expect(await hasCollection(first, 'corrected')).toBe(false);
    await restarted();
    expect(await hasCollection(first, 'corrected')).toBe(true);
    await putMigration(fathom, '1900000001_kept.js', makesCollection('kept'));
    await restarted();
  });

  it('survives a restart of the daemon: the last good one stays in use', async () => {
    await putMigration(fathom, '1900000002_y.js', 'nowhere();');
    await daemon.stop();
    daemon = await fathom.start({}, SCRIPTED);
    expect(await problem()).toMatchObject({ code: 'syntax', file: '1900000002_y.js' });
    await untilRunning(fathom, first.database.name);
    expect(await hasCollection(await newcomer(), 'kept')).toBe(true);
    await rm(join(migrationsOf(fathom), '1900000002_y.js'));
    await restarted();
    expect(await problem()).toBeNull();
  });

  it('cannot be read: is refused', async () => {
    const loop = join(migrationsOf(fathom), '1900000003_loop.js');
    await symlink(loop, loop);
    await restarted();
    expect(await problem()).toMatchObject({ code: 'unreadable', file: '1900000003_loop.js' });
    await rm(loop);
  });

  it('has one name in two applications: is refused when they differ, and taken once when not', async () => {
    await putMigration(fathom, '1900000004_same.js', makesCollection('same'), 'crm');
    await putMigration(fathom, '1900000004_same.js', makesCollection('other'), 'shop');
    await restarted();
    expect(await problem()).toMatchObject({ code: 'duplicate', file: '1900000004_same.js' });
    await putMigration(fathom, '1900000004_same.js', makesCollection('same'), 'shop');
    await restarted();
    expect(await problem()).toBeNull();
    expect(await hasCollection(first, 'same')).toBe(true);
  });
});

describe('migrations of applications', () => {
  it('may share a number and load files of a folder below', async () => {
    await putMigration(fathom, '1900000005_a.js', makesCollection('aaa'));
    await putMigration(fathom, '1900000005_b.js', makesCollection('bbb'));
    await mkdir(join(migrationsOf(fathom), 'lib'), { recursive: true });
    await putMigration(fathom, join('lib', 'help.js'), 'module.exports = 1;');
    await restarted();
    expect(await problem()).toBeNull();
    expect([await hasCollection(first, 'aaa'), await hasCollection(first, 'bbb')]).toEqual([true, true]);
  });

  it('that rename or remove what is not needed for an account keep sign-ups going', async () => {
    await putMigration(
      fathom,
      '1900000006_users.js',
      `migrate((app) => {
        const users = app.findCollectionByNameOrId('users');
        users.fields.getByName('name').name = 'label';
        users.fields.removeByName('avatar');
        users.fields.removeByName('created');
        users.fields.removeByName('updated');
        app.save(users);
      });`,
    );
    await restarted();
    expect(await problem()).toBeNull();
    const { user, database } = await newcomer();
    // An account is copied into its database with any columns.
    await fathom.client.users.update(user.id, { is_active: false });
    const signingIn = () =>
      new PocketBase(database.url).collection('users').authWithPassword(user.email, PASSWORD);
    await until(
      () =>
        signingIn().then(
          () => false,
          () => true,
        ),
      { what: 'the account to be locked out' },
    );
    await fathom.client.users.update(user.id, { is_active: true });
    await until(
      () =>
        signingIn().then(
          () => true,
          () => false,
        ),
      { what: 'the account to be let in again' },
    );
    await new PocketBase(database.url).collection('users').authWithPassword(user.email, PASSWORD);
    await new PocketBase(first.database.url)
      .collection('users')
      .authWithPassword('first@example.com', PASSWORD);
  });

  it('that a database alone cannot take leave it running as it was, with the reason', async () => {
    const { name } = first.database;
    await fathom.client.databases.stop(name);
    changeUserDatabase(
      fathom,
      name,
      "INSERT INTO seeds (id, title, file) VALUES ('twice0000000001', 'same', ''), ('twice0000000002', 'same', '')",
    );
    await putMigration(
      fathom,
      '1900000007_unique.js',
      "migrate((app) => { app.db().newQuery('CREATE UNIQUE INDEX one_title ON seeds (title)').execute(); });",
    );
    await fathom.client.databases.start(name);
    expect(await problem()).toBeNull();
    await expect(fathom.client.databases.get(name)).resolves.toMatchObject({
      phase: 'running',
      reason: { code: 'migration_failed' },
    });
    const owner = new PocketBase(first.database.url);
    owner.authStore.save((await signIn(fathom.url, 'first@example.com')).database.token);
    await expect(owner.collection('documents').create({ title: 'still mine' })).resolves.toBeDefined();
    await fathom.client.databases.stop(name);
    changeUserDatabase(fathom, name, "DELETE FROM seeds WHERE id = 'twice0000000002'");
    await fathom.client.databases.start(name);
    await expect(fathom.client.databases.get(name)).resolves.toMatchObject({
      phase: 'running',
      reason: null,
    });
  });

  it('that are another one, or gone, after they were applied are shown as drift', async () => {
    await putMigration(fathom, '1900000005_a.js', makesCollection('changed_later'));
    await rm(join(migrationsOf(fathom), '1900000001_kept.js'));
    await restarted();
    const { drift } = await fathom.client.migrations.status();
    const of = (file: string) => drift.find((one) => one.file === file);
    expect(of('1900000005_a.js')).toMatchObject({ change: 'changed' });
    expect(of('1900000001_kept.js')).toMatchObject({ change: 'missing' });
    expect(of('1900000005_a.js')?.databases).toContain(first.database.name);
    const findings = (await doctorFindings(fathom)).filter(({ id }) => id === 'migration_drift');
    const named = findings.map(({ summary }) => /\d+_\w+\.js/.exec(summary)?.[0]);
    expect(named).toEqual(expect.arrayContaining(['1900000001_kept.js', '1900000005_a.js']));
    const check = ['migrations', 'status', '--check', '--socket', fathom.socketPath];
    expect((await fathomd(check, { cwd: fathom.dataDir, env: fathom.env })).exitCode).toBe(1);
  });

  it('reach a database whose settings are encrypted with the key before, and leave limits in force', async () => {
    await daemon.stop();
    await putMigration(
      fathom,
      '1900000007_z.js',
      `migrate((app) => {
        const settings = app.settings();
        settings.rateLimits.enabled = false;
        app.save(settings);
        app.save(new Collection({ type: 'base', name: 'after_rotation', fields: [] }));
      });`,
      'crm',
    );
    fathom.env['PB_PREVIOUS_ENCRYPTION_KEY'] = fathom.env['PB_ENCRYPTION_KEY'] ?? '';
    fathom.env['PB_ENCRYPTION_KEY'] = randomBytes(32).toString('base64');
    await putMigration(fathom, '1900000008_crm.js', makesCollection('from_crm'), 'crm');
    await putMigration(fathom, '1900000009_shop.js', makesCollection('from_shop'), 'shop');
    daemon = await fathom.start({ FATHOM_APPS: 'documents, crm' }, SCRIPTED);
    const { name } = first.database;
    await untilRunning(fathom, name);
    expect((await fathom.client.databases.get(name)).reason).toBeNull();
    expect(await hasCollection(first, 'after_rotation')).toBe(true);
    const [row] = (await databaseRows(fathom)).filter((one) => one.name === name);
    if (!row) throw new Error('there is a row');
    const { rateLimits } = await (await asSuperuser(fathom, row)).settings.getAll();
    expect(rateLimits).toMatchObject({ enabled: true });
  });

  it('are those that FATHOM_APPS names; templates of others are removed', async () => {
    const one = await newcomer();
    expect(await hasCollection(one, 'from_crm')).toBe(true);
    expect(await hasCollection(one, 'from_shop')).toBe(false);
    await daemon.stop();
    daemon = await fathom.start({ FATHOM_APPS: 'documents, nowhere' }, SCRIPTED);
    expect(await problem()).toMatchObject({ code: 'unreadable' });
    const another = await newcomer();
    expect(await hasCollection(another, 'from_crm')).toBe(true);
    expect(await fathom.client.databases.restart(another.database.name)).toMatchObject({ phase: 'running' });
    const templates = await readdir(join(fathom.dataDir, 'templates'));
    // Those of the applications that databases have, and of new ones.
    expect(templates.toSorted()).toEqual([
      expect.stringContaining(`${version}-`),
      expect.stringContaining(`${version}-`),
      'good',
      expect.stringContaining('-set-'),
      expect.stringContaining('-set-'),
    ]);
  });
});

it('a set that is broken from the start blocks new databases until it is corrected', async () => {
  await daemon.stop();
  await rm(join(fathom.dataDir, 'templates'), { recursive: true });
  await putMigration(fathom, '1900000010_x.js', 'nowhere();');
  daemon = await fathom.start({}, SCRIPTED);
  await untilRunning(fathom, first.database.name);
  const account = { email: 'refused@example.com', password: PASSWORD };
  await expect(call('POST', `${fathom.url}/api/v1/auth/register`, { body: account })).resolves.toMatchObject({
    status: 502,
    body: { code: 'provision.failed' },
  });
  await rm(join(migrationsOf(fathom), '1900000010_x.js'));
  const session = await signIn(fathom.url, account.email);
  expect(await hasCollection(session, 'seeds')).toBe(true);
});
