import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/sqlite.ts';
import { type Daemon, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { databaseRows, expectWholeFleet } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'pb_migrations', 'user');

let fathom: Deployment;
/** The one that runs when a test begins. */
let daemon: Daemon;

beforeAll(async () => {
  ({ fathom, daemon } = await startedDeployment());
});

afterAll(() => fathom.dispose());

async function migrationsWith(name: string, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-migrations-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await cp(MIGRATIONS, directory, { recursive: true });
  await writeFile(join(directory, name), text);
  return directory;
}

describe('migrations of user databases', () => {
  it('that fail keep nobody from an existing database, and tell who signs up', async () => {
    const broken = await migrationsWith(
      '1999999999_broken.js',
      "migrate((app) => { throw new Error('the field is already there'); });",
    );
    const before = await signUp(fathom.url, 'before@example.com');
    await daemon.stop();

    daemon = await fathom.start({ TEST_USER_MIGRATIONS: broken }, SCRIPTED);
    const refused = await call('POST', `${fathom.url}/api/v1/auth/register`, {
      body: { email: 'refused@example.com', password: PASSWORD },
    });
    expect(refused).toMatchObject({ status: 502, body: { code: 'provision.failed' } });
    expect(refused.body.detail).toMatch(
      /^the migrations of user databases do not apply: .*1999999999_broken\.js.*the field is already there.*The account was created/s,
    );
    await until(async () => (await fathom.client.databases.get(before.database.name)).phase === 'running', {
      what: 'the database that was there to run',
    });
    const owner = new PocketBase(before.database.url);
    owner.authStore.save(before.database.token);
    await expect(owner.collection('documents').create({ title: 'still mine' })).resolves.toBeDefined();
    await daemon.stop();

    daemon = await fathom.start();
    expect(await expectWholeFleet(fathom, ['before@example.com'])).toHaveLength(2);
  });

  it('that are new reach existing databases at the next start, and new ones from the beginning', async () => {
    const more = await migrationsWith(
      '1999999999_notes.js',
      `migrate(
        (app) => app.save(new Collection({ type: 'base', name: 'notes', listRule: '', fields: [] })),
        (app) => app.delete(app.findCollectionByNameOrId('notes')),
      );`,
    );
    await daemon.stop();
    daemon = await fathom.start({ TEST_USER_MIGRATIONS: more }, SCRIPTED);
    const before = await signIn(fathom.url, 'before@example.com');
    const after = await signUp(fathom.url, 'after@example.com');
    await expectWholeFleet(fathom);
    for (const { database } of [before, after]) {
      const client = new PocketBase(database.url);
      await expect(client.collection('notes').getList()).resolves.toMatchObject({ items: [] });
    }
    expect(await readdir(join(fathom.dataDir, 'templates'))).toHaveLength(2);
  });
});

describe('what a person changes in the control plane', () => {
  it('a row whose name leads out of the directory is left alone, and the others run; nobody is given what lies there of others', async () => {
    const bad = await signUp(fathom.url, 'bad@example.com');
    const known = (await databaseRows(fathom)).length;
    const client = new PocketBase(fathom.globalUrl);
    await client.collection('_superusers').authWithPassword(fathom.admin.email, fathom.admin.password);
    const [row] = (await databaseRows(fathom)).filter(({ user }) => user === bad.user.id);
    await client.collection('user_databases').update(row?.id ?? '', { name: '../../etc' });
    await daemon.stop();

    daemon = await fathom.start();
    await until(
      async () =>
        (await fathom.client.databases.all()).filter(
          ({ phase, kind }) => kind === 'user' && phase === 'running',
        ).length ===
        known - 1,
      { what: 'the others to run' },
    );
    expect(daemon.output()).toContain("'../../etc' in user_databases is not the name of a database");
    const answer = await call('POST', `${fathom.url}/api/v1/auth/login`, {
      body: { email: 'bad@example.com', password: PASSWORD },
    });
    expect(answer.status).toBe(500);

    await client.collection('user_databases').update(row?.id ?? '', { name: bad.database.name });
    const { database: lost } = await signUp(fathom.url, 'next@example.com');
    await daemon.stop();
    // As when the control plane is put back from a backup: it counts from there again.
    withDatabase(join(fathom.dataDir, 'global', 'pb_data', 'data.db'), { readOnly: false }, (database) => {
      database.prepare('DELETE FROM user_databases WHERE name = ?').run(lost.name);
      database.prepare('DELETE FROM users WHERE email = ?').run('next@example.com');
      database.exec('UPDATE database_days SET last_number = last_number - 1');
    });
    await fathom.start();
    const next = { body: { email: 'next@example.org', password: PASSWORD } };
    const refused = await call('POST', `${fathom.url}/api/v1/auth/register`, next);
    expect(refused).toMatchObject({ status: 502, body: { code: 'provision.failed' } });
    expect(refused.body.detail).toContain(`${lost.name} holds a database that was made for another account`);
    await rm(join(fathom.dataDir, 'user_dbs', lost.name), { recursive: true });
    const given = await call('POST', `${fathom.url}/api/v1/auth/login`, next);
    expect(given).toMatchObject({ status: 200, body: { database: { name: lost.name } } });
    const both = ['bad@example.com', 'next@example.org'];
    expect(await expectWholeFleet(fathom, both)).toHaveLength(known + 1);
  });
});
