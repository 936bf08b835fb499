import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { superuserKeys } from '../../daemon/keys/instance-access.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { type DatabaseRow, databaseRows } from '../helpers/fleet-state.ts';
import { type Session, signUp } from '../helpers/http-call.ts';
import { asSuperuser, superuserSecret, superuserToken } from '../helpers/instance-superuser.ts';

const NAMES = ['ann', 'bob', 'cid'];
const OWNERS = NAMES.map((name) => `${name}@example.com`);

interface Secret {
  what: string;
  value: string;
}

let fathom: Deployment;
let sessions: Session[];
let rows: DatabaseRow[];

beforeAll(async () => {
  fathom = await createDeployment();
  await fathom.start();
  sessions = [];
  for (const email of OWNERS) sessions.push(await signUp(fathom.url, email));
  rows = await databaseRows(fathom);
});

afterAll(() => fathom.dispose());

function dataDirOf(name: string): string {
  return join(fathom.dataDir, 'user_dbs', name, 'pb_data');
}

async function templateDir(): Promise<string> {
  const [directory] = await readdir(join(fathom.dataDir, 'templates'));
  return join(fathom.dataDir, 'templates', directory ?? '', 'pb_data');
}

/** The secrets of a data directory: signing secrets, token keys, password hashes, superusers. */
function secretsOf(dataDir: string): Secret[] {
  const database = new DatabaseSync(join(dataDir, 'data.db'), { readOnly: true });
  try {
    const collections = database.prepare("SELECT name, options FROM _collections WHERE type = 'auth'").all();
    return collections.flatMap(({ name, options }) => {
      const signing = Object.entries(JSON.parse(String(options)) as Record<string, { secret?: string }>)
        .filter(([, option]) => typeof option?.secret === 'string')
        .map(([purpose, { secret }]) => ({ what: `${String(name)}.${purpose}`, value: secret ?? '' }));
      const records = database.prepare(`SELECT id, tokenKey FROM ${String(name)}`).all();
      return [
        ...signing,
        ...records.flatMap(({ id, tokenKey }) => [
          { what: `${String(name)} id`, value: String(id) },
          { what: `${String(name)} token key`, value: String(tokenKey) },
        ]),
      ];
    });
  } finally {
    database.close();
  }
}

function settingsOf(dataDir: string): string {
  const database = new DatabaseSync(join(dataDir, 'data.db'), { readOnly: true });
  try {
    const row = database
      .prepare("SELECT CAST(value AS TEXT) AS value FROM _params WHERE id = 'settings'")
      .get();
    return String(row?.['value']);
  } finally {
    database.close();
  }
}

/** All bytes that SQLite keeps, free pages and the write-ahead log among them. */
function bytesOf(dataDir: string): Buffer {
  return Buffer.concat(
    ['data.db', 'data.db-wal', 'auxiliary.db', 'auxiliary.db-wal'].map((file) => {
      try {
        return readFileSync(join(dataDir, file));
      } catch {
        return Buffer.alloc(0);
      }
    }),
  );
}

describe('two clones of the template', () => {
  it('share no secret', () => {
    const all = [
      ...rows.map(({ name }) => name).map(dataDirOf),
      join(fathom.dataDir, 'global', 'pb_data'),
    ].map(secretsOf);
    for (const secrets of all) {
      expect(secrets.map(({ what }) => what)).toEqual(
        expect.arrayContaining([
          'users.authToken',
          'users.passwordResetToken',
          'users.emailChangeToken',
          'users.verificationToken',
          'users.fileToken',
          '_superusers.authToken',
          '_superusers.fileToken',
          'users token key',
          '_superusers token key',
          '_superusers id',
        ]),
      );
    }
    // An owner has the same id everywhere; it is no secret.
    const values = all
      .flat()
      .filter(({ what }) => what !== 'users id')
      .map(({ value }) => value);
    expect(values.every((value) => value.length >= 15)).toBe(true);
    expect(values.filter((value, index) => values.indexOf(value) !== index)).toEqual([]);
  });

  it('hold no byte of the secrets of another user, also not in free pages', async () => {
    for (const dataDir of [...rows.map(({ name }) => dataDirOf(name)), await templateDir()]) {
      const own = new Set(secretsOf(dataDir).map(({ value }) => value));
      const text = bytesOf(dataDir).toString('latin1');
      const found = [...text.matchAll(/"secret":"(\w+)"/g)].map(([, value = '']) => value);
      expect(found.length).toBeGreaterThan(5);
      expect(found.filter((value) => !own.has(value) && value !== '0'.repeat(50))).toEqual([]);
    }
    const [first, second] = rows.map(({ name }) => dataDirOf(name)) as [string, string];
    const bytes = bytesOf(first);
    expect(secretsOf(second).filter(({ value }) => bytes.includes(value))).toEqual([]);
    expect(secretsOf(first).filter(({ value }) => bytes.includes(value))).not.toEqual([]);
    expect(new Set(secretsOf(await templateDir()).map(({ value }) => value))).toEqual(
      new Set(['0'.repeat(50)]),
    );
  });

  it('refuse the tokens of each other', async () => {
    const [first, second] = sessions as [Session, Session];
    const [row, otherRow] = rows as [DatabaseRow, DatabaseRow];
    const tokens = [first.database.token, await superuserToken(fathom, row)];
    const strangers = new PocketBase(second.database.url);
    for (const token of tokens) {
      strangers.authStore.save(token);
      await expect(strangers.collection('users').authRefresh()).rejects.toMatchObject({ status: 401 });
      await expect(strangers.collections.getFullList()).rejects.toMatchObject({ status: 401 });
    }
    const global = new PocketBase(fathom.globalUrl);
    for (const token of tokens) {
      global.authStore.save(token);
      await expect(global.collections.getFullList()).rejects.toMatchObject({ status: 401 });
    }
    // The same token is good where it belongs.
    strangers.authStore.save(await superuserToken(fathom, otherRow));
    await expect(strangers.collections.getFullList()).resolves.not.toEqual([]);
  });
});

describe('the settings of an instance', () => {
  it('are encrypted at rest, each with a key of its own, and PocketBase reads them', async () => {
    const stored = rows.map(({ name }) => settingsOf(dataDirOf(name)));
    expect(new Set(stored).size).toBe(rows.length);
    for (const text of stored) {
      expect(text).toMatch(/^[A-Za-z0-9+/]+=*$/);
      expect(Buffer.from(text, 'base64').toString('latin1')).not.toContain('appName');
    }
    for (const row of rows) {
      const client = await asSuperuser(fathom, row);
      expect(await client.settings.getAll()).toMatchObject({ meta: { appName: row.name } });
    }
  });

  it('stay encrypted when PocketBase writes them, and are read after a restart', async () => {
    const [row] = rows as [DatabaseRow];
    const client = await asSuperuser(fathom, row);
    const password = 'smtp-password-of-the-owner';
    await client.settings.update({ smtp: { enabled: true, host: 'mail.example.com', password } });
    expect(settingsOf(dataDirOf(row.name))).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(bytesOf(dataDirOf(row.name)).includes(password)).toBe(false);
    expect(await fathom.client.databases.restart(row.name)).toMatchObject({ phase: 'running' });
    expect(await client.settings.getAll()).toMatchObject({ smtp: { host: 'mail.example.com' } });
  });
});

describe("Fathom's own access", () => {
  it('is one superuser per instance, who cannot sign in by password', async () => {
    for (const row of rows) {
      const database = new DatabaseSync(join(dataDirOf(row.name), 'data.db'), { readOnly: true });
      const superusers = database.prepare('SELECT id, email, password FROM _superusers').all();
      database.close();
      expect(superusers).toHaveLength(1);
      const [{ id, email, password } = {}] = superusers;
      expect(id).toBe(superuserKeys(superuserSecret(fathom, row)).recordId);
      const client = new PocketBase(`http://127.0.0.1:${row.port}`);
      for (const guess of [String(password), '!', fathom.admin.password, 'a-good-password']) {
        await expect(
          client.collection('_superusers').authWithPassword(String(email), guess),
        ).rejects.toMatchObject({ status: 400 });
      }
      await expect(
        client.collection('_superusers').authWithPassword(fathom.admin.email, fathom.admin.password),
      ).rejects.toMatchObject({ status: 400 });
    }
  });

  it('is written nowhere in clear: neither in the control plane nor in logs', async () => {
    const control = bytesOf(join(fathom.dataDir, 'global', 'pb_data'));
    const logs = await Promise.all(
      ['global', ...rows.map(({ name }) => name)].map((name) =>
        readFile(join(fathom.dataDir, 'logs', 'instances', `${name}.log`)),
      ),
    );
    for (const row of rows) {
      const secret = superuserSecret(fathom, row);
      const { tokenKey, collectionSecret } = superuserKeys(secret);
      for (const bytes of [control, ...logs]) {
        for (const value of [secret, secret.toString('base64'), tokenKey, collectionSecret]) {
          expect(bytes.includes(value)).toBe(false);
        }
      }
    }
    expect(new Set(rows.map(({ superuser_secret }) => superuser_secret)).size).toBe(rows.length);
  });
});
