import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCollectionSecrets } from '../../daemon/databases/owner/collection-secrets.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { untilReplaced } from '../helpers/fleet-actions.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';
import {
  changeUserDatabase,
  dataFileOf,
  putFixture,
  putSnapshotOfPlainProject,
  readUserDatabase,
} from '../helpers/user-migrations.ts';

const OLD_RULE = "@request.auth.id != '' && @request.auth.collectionName = 'users'";

let fathom: Deployment;
let daemon: Daemon;
/** Made before the migrations came, by an earlier release, and afterwards. */
let early: Session;
let old: Session;
let late: Session;

beforeAll(async () => {
  ({ fathom, daemon } = await startedDeployment());
  early = await signUp(fathom.url, 'early@example.com');
  old = await signUp(fathom.url, 'old@example.com');
  await new PocketBase(early.database.url)
    .collection('users')
    .authWithPassword('early@example.com', PASSWORD);
  await daemon.stop();
  asMadeByEarlierRelease(nameOf(old));
  await putSnapshotOfPlainProject(fathom);
  await putFixture(fathom, '1999999999_opens_users.js');
  daemon = await fathom.start();
  // Refused, they would open nothing.
  expect(await fathom.client.migrations.status()).toMatchObject({ problem: null });
  late = await signUp(fathom.url, 'late@example.com');
  early = await signIn(fathom.url, 'early@example.com');
  old = await signIn(fathom.url, 'old@example.com');
  await untilRunning(nameOf(early));
  await untilRunning(nameOf(old));
});

afterAll(() => fathom.dispose());

function nameOf({ database }: Session): string {
  return database.name;
}

/** With rules that a snapshot opened, and the types in one file that all databases share. */
function asMadeByEarlierRelease(name: string): void {
  changeUserDatabase(
    fathom,
    name,
    `UPDATE _collections SET createRule = '', listRule = '' WHERE name = 'users';
     UPDATE _collections SET ${['list', 'view', 'create', 'update', 'delete'].map((rule) => `${rule}Rule = '${OLD_RULE.replaceAll("'", "''")}'`).join(', ')} WHERE name = 'documents';
     DROP TABLE _fathom_migrations;`,
  );
  // One file under two names, as all databases of such a release have it.
  const types = typesOf(name);
  const shared = join(fathom.dataDir, 'shared.d.ts');
  writeFileSync(shared, `${readFileSync(types, 'utf8')}${'declare const x: number;\n'.repeat(1000)}`);
  rmSync(types);
  linkSync(shared, types);
}

function typesOf(name: string): string {
  return join(dirname(dataFileOf(fathom, name)), 'types.d.ts');
}

async function untilRunning(name: string): Promise<void> {
  await until(async () => (await fathom.client.databases.get(name)).phase === 'running', {
    what: `${name} to run`,
  });
}

function usersOf(session: Session) {
  return readUserDatabase(fathom, nameOf(session), (database) => {
    const row = database.prepare("SELECT * FROM _collections WHERE name = 'users'").get();
    const options = JSON.parse(String(row?.['options'])) as Record<string, { secret?: string } | null>;
    for (const option of Object.values(options)) if (option?.secret) option.secret = '';
    const { listRule, viewRule, createRule, updateRule, deleteRule } = row ?? {};
    return { listRule, viewRule, createRule, updateRule, deleteRule, options, indexes: row?.['indexes'] };
  });
}

describe('migrations that open the accounts of user databases', () => {
  it('let no stranger in, neither into a new database nor into one that was there', async () => {
    for (const { database } of [early, old, late]) {
      const stranger = new PocketBase(database.url);
      const signingUp = stranger
        .collection('users')
        .create({ email: 'x@example.com', password: PASSWORD, passwordConfirm: PASSWORD, company: 'x' });
      await expect(signingUp).rejects.toMatchObject({ status: 403 });
      for (const collection of ['users', '_superusers']) {
        const seeded = stranger
          .collection(collection)
          .authWithPassword('seeded@example.com', 'a-known-password');
        await expect(seeded).rejects.toMatchObject({ status: 400 });
      }
      await expect(stranger.collection('users').getList()).resolves.toMatchObject({ totalItems: 0 });
      await expect(stranger.collection('users').listAuthMethods()).resolves.toMatchObject({
        password: { enabled: true, identityFields: ['email'] },
        oauth2: { enabled: false },
        otp: { enabled: false },
        mfa: { enabled: false },
      });
    }
  });

  it('leave the owner its account, its password in any capitals and its documents', async () => {
    for (const [email, { database }] of [
      ['EARLY@example.com', early],
      ['old@example.com', old],
      ['Late@Example.com', late],
    ] as const) {
      const owner = new PocketBase(database.url);
      await owner.collection('users').authWithPassword(email, PASSWORD);
      await expect(owner.collection('documents').create({ title: 'mine' })).resolves.toBeDefined();
      await expect(owner.collection('documents').getList()).resolves.toMatchObject({ totalItems: 1 });
    }
  });

  it('make new databases and those that were there the same, and share no secret among them', () => {
    expect(usersOf(early)).toEqual(usersOf(late));
    expect(usersOf(old)).toEqual(usersOf(late));
    const secrets = [early, old, late].flatMap((session) =>
      readUserDatabase(fathom, nameOf(session), readCollectionSecrets).map(([, , secret]) => secret),
    );
    expect(new Set(secrets).size).toBe(secrets.length);
    expect(secrets).not.toContain('k'.repeat(50));
  });

  it('leave Fathom its access, and no other superuser', async () => {
    for (const session of [early, old, late]) {
      const { items } = await fathom.client.databases.collections(nameOf(session));
      expect(items.map(({ name }) => name)).toContain('documents');
      const accounts = readUserDatabase(fathom, nameOf(session), (database) => [
        database.prepare('SELECT id FROM users').all().length,
        database.prepare('SELECT id FROM _superusers').all().length,
      ]);
      expect(accounts).toEqual([1, 1]);
    }
  });

  it('leave no trigger that can change accounts, and the others', () => {
    for (const session of [early, old, late]) {
      const triggers = readUserDatabase(fathom, nameOf(session), (database) =>
        database.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all(),
      ).map(({ name }) => name);
      expect(triggers).toContain('counts');
      expect(triggers.filter((name) => !String(name).startsWith('_fathom_'))).toEqual(['counts']);
    }
  });

  it('rules of documents name the owner', () => {
    for (const session of [early, old, late]) {
      const rules = readUserDatabase(fathom, nameOf(session), (database) =>
        database.prepare("SELECT listRule, deleteRule FROM _collections WHERE name = 'documents'").get(),
      );
      const rule = `@request.auth.id = '${session.user.id}' && @request.auth.collectionName = 'users'`;
      expect({ ...rules }).toEqual({ listRule: rule, deleteRule: rule });
    }
  });
});

it('no two databases share a file, also not those of an earlier release', () => {
  const files = [early, old, late].map((session) => statSync(typesOf(nameOf(session))));
  expect(new Set(files.map(({ ino }) => ino)).size).toBe(3);
  expect(files.map(({ nlink }) => nlink)).toEqual([1, 1, 1]);
  expect(Math.max(...files.map(({ size }) => size))).toBeLessThan(1024);
});

it('the doctor names databases that are open to others, stopped ones as well', async () => {
  const name = nameOf(late);
  const findings = async () => (await doctorFindings(fathom)).filter(({ id }) => id === 'accounts');
  expect(await findings()).toEqual([]);
  await fathom.client.databases.stop(name);
  changeUserDatabase(fathom, name, "UPDATE _collections SET createRule = '' WHERE name = 'users'");
  expect(await findings()).toMatchObject([
    { level: 'fatal', summary: expect.stringContaining(name) as string },
  ]);
  await fathom.client.databases.start(name);
  expect(await findings()).toEqual([]);
});

it('a database that was opened while it runs is closed by the next daemon', async () => {
  const name = nameOf(early);
  const before = await fathom.client.databases.get(name);
  daemon.signal('SIGKILL');
  await daemon.exited;
  changeUserDatabase(fathom, name, "UPDATE _collections SET createRule = '' WHERE name = 'users'");
  daemon = await fathom.start();
  await untilReplaced(fathom, before);
  expect(usersOf(early).createRule).toBeNull();
});

it('lists of addresses of superusers let the daemon in, at the global PocketBase too', async () => {
  const superuser = await controlPlane(fathom);
  const { superuserIPs } = await superuser.settings.update({ superuserIPs: ['203.0.113.9'] });
  expect(superuserIPs).toEqual(['203.0.113.9', '127.0.0.1', '::1']);
  expect((await signIn(fathom.url, 'late@example.com')).user.id).toBe(late.user.id);
  await superuser.settings.update({ superuserIPs: [] });
});
