import { createDecipheriv } from 'node:crypto';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { SUPERUSERS_COLLECTION_ID } from '../../keys/instance-access.ts';
import type { GuardSettings } from '../../pocketbase/data/guard-settings.ts';
import { type CloneRequest, cloneTemplate, stageClone } from './clone.ts';

const KEY = 'k'.repeat(32);
const NAME = '2024-01-15-001-ann';
const GUARD: GuardSettings = {
  rateLimits: { enabled: true, rules: [], excludedIPs: [] },
  trustedProxy: { headers: [], useLeftmostIP: false },
};

/** The parts of PocketBase's tables that cloning uses. */
async function stage(): Promise<{ template: string; request: CloneRequest }> {
  const root = await scratch();
  const template = join(root, 'template');
  await mkdir(template);
  await mkdir(join(root, 'user_dbs'));
  await writeFile(join(template, 'auxiliary.db'), '');
  await writeFile(join(template, 'types.d.ts'), '// types');
  await mkdir(join(template, 'storage', 'seeds', 'record1'), { recursive: true });
  await writeFile(join(template, 'storage', 'seeds', 'record1', 'a.txt'), 'seeded');
  const database = new DatabaseSync(join(template, 'data.db'));
  database.exec(`
    CREATE TABLE _collections (id TEXT, type TEXT, name TEXT, options TEXT, fields TEXT, indexes TEXT,
      listRule TEXT, viewRule TEXT, createRule TEXT, updateRule TEXT, deleteRule TEXT);
    CREATE TABLE _params (id TEXT, value TEXT);
    CREATE TABLE _superusers (id TEXT, email TEXT, password TEXT, tokenKey TEXT, verified BOOLEAN, created TEXT, updated TEXT);
    CREATE TABLE users (id TEXT, email TEXT, emailVisibility BOOLEAN, verified BOOLEAN, name TEXT, password TEXT, tokenKey TEXT, created TEXT, updated TEXT);
    INSERT INTO _superusers (id, email) VALUES ('left', 'left@example.com');
    INSERT INTO _params VALUES ('settings', '{"meta":{"appName":"Acme"},"logs":{"minLevel":0},"smtp":{"port":587}}');
  `);
  const insert = database.prepare('INSERT INTO _collections (id, type, name, options) VALUES (?, ?, ?, ?)');
  const secret = { secret: '0'.repeat(50), duration: 60 };
  insert.run(
    SUPERUSERS_COLLECTION_ID,
    'auth',
    '_superusers',
    JSON.stringify({ authToken: secret, fileToken: secret }),
  );
  insert.run('users_id', 'auth', 'users', JSON.stringify({ authToken: secret, authRule: null, extra: null }));
  const fields = ['name text', 'created autodate', 'updated autodate'].map((field) => {
    const [name, type] = field.split(' ');
    return { name, type };
  });
  database.prepare("UPDATE _collections SET fields = ? WHERE name = 'users'").run(JSON.stringify(fields));
  insert.run('base_id', 'base', 'documents', '{}');
  database.close();
  const request = {
    directory: join(root, 'user_dbs', NAME),
    name: NAME,
    owner: {
      id: 'ann',
      email: 'ann@example.com',
      name: "Ann O'Neil",
      verified: true,
      password_hash: '$2a$10$hash',
      token_epoch: 'epoch',
    },
    superuser: { recordId: 'superuser000001', tokenKey: 't'.repeat(50), collectionSecret: 's'.repeat(50) },
    encryptionKey: KEY,
    guard: GUARD,
    now: new Date('2024-01-15T10:00:00Z'),
  };
  return { template, request };
}

function rows(request: CloneRequest, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(join(request.directory, 'pb_data', 'data.db'), { readOnly: true });
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  } finally {
    database.close();
  }
}

describe('a clone of the template', () => {
  it('has its owner, and one superuser without a valid password', async () => {
    const { template, request } = await stage();
    const created = await cloneTemplate(template, request);
    const [keys] = rows(
      request,
      "SELECT tokenKey, json_extract(options, '$.authToken.secret') AS secret FROM users, _collections WHERE _collections.name = 'users'",
    );
    expect(created).toEqual({
      ownerKeys: { ...keys, collectionId: 'users_id', durationS: 60 },
      hasOwnJobs: false,
    });
    expect(rows(request, 'SELECT id, email, verified, name, password, created FROM users')).toEqual([
      {
        id: 'ann',
        email: 'ann@example.com',
        verified: 1,
        name: "Ann O'Neil",
        password: '$2a$10$hash',
        created: '2024-01-15 10:00:00.000Z',
      },
    ]);
    expect(rows(request, 'SELECT id, tokenKey, password FROM _superusers')).toEqual([
      { id: 'superuser000001', tokenKey: 't'.repeat(50), password: '!' },
    ]);
  });

  it('has new secrets in every auth collection, and no other changes', async () => {
    const { template, request } = await stage();
    await cloneTemplate(template, request);
    const options = rows(request, 'SELECT name, options FROM _collections').map(({ name, options: text }) => [
      name,
      JSON.parse(String(text)) as unknown,
    ]);
    const fresh = expect.stringMatching(/^[A-Za-z0-9]{50}$/) as string;
    expect(Object.fromEntries(options)).toEqual({
      _superusers: {
        authToken: { secret: 's'.repeat(50), duration: 60 },
        fileToken: { secret: fresh, duration: 60 },
      },
      users: {
        authToken: { secret: fresh, duration: 60 },
        authRule: '',
        manageRule: null,
        extra: null,
        authAlert: { enabled: false },
        oauth2: { enabled: false },
        otp: { enabled: false },
        mfa: { enabled: false },
        passwordAuth: { enabled: true, identityFields: ['email'] },
      },
      documents: {},
    });
    expect(JSON.stringify(options)).not.toContain('00000');
  });

  it('has its settings encrypted as PocketBase does it', async () => {
    const { template, request } = await stage();
    await cloneTemplate(template, request);
    const [row] = rows(request, "SELECT value FROM _params WHERE id = 'settings'");
    const sealed = Buffer.from(String(row?.['value']), 'base64');
    const decipher = createDecipheriv('aes-256-gcm', KEY, sealed.subarray(0, 12));
    decipher.setAuthTag(sealed.subarray(-16));
    const text = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString();
    expect(JSON.parse(text)).toEqual({
      meta: { appName: NAME },
      logs: { minLevel: 4 },
      smtp: { port: 587 },
      ...GUARD,
    });
  });

  it('has private files, also those of records, and shares none with the template', async () => {
    const { template, request } = await stage();
    await cloneTemplate(template, request);
    const data = join(request.directory, 'pb_data');
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    for (const file of ['data.db', 'auxiliary.db'])
      expect((await stat(join(data, file))).mode & 0o777).toBe(0o600);
    for (const file of ['types.d.ts', join('storage', 'seeds', 'record1', 'a.txt')]) {
      const [copy, original] = await Promise.all([stat(join(data, file)), stat(join(template, file))]);
      expect(copy.ino).not.toBe(original.ino);
      expect({ size: copy.size, mode: copy.mode & 0o777 }).toEqual({ size: original.size, mode: 0o600 });
    }
  });

  it('appears complete or not at all', async () => {
    const { template, request } = await stage();
    const database = new DatabaseSync(join(template, 'data.db'));
    database.exec('DROP TABLE users');
    database.close();
    await expect(cloneTemplate(template, request)).rejects.toThrow('users');
    expect(await readdir(join(request.directory, '..'))).toEqual([]);
  });

  it('is discarded with the staged copy when it is not completed', async () => {
    const { template, request } = await stage();
    const parent = join(request.directory, '..');
    {
      await using discarded = stageClone(Promise.resolve(template), parent);
      await using completed = stageClone(Promise.resolve(template), parent);
      await completed.complete(request);
      expect(discarded).not.toBe(completed);
    }
    expect(await readdir(parent)).toEqual([NAME]);
    expect(rows(request, 'SELECT id FROM users')).toEqual([{ id: 'ann' }]);
  });

  it('reports an error of the template when it is completed', async () => {
    const { request } = await stage();
    const refused = new Error('no template');
    await using clone = stageClone(Promise.reject(refused), join(request.directory, '..'));
    await expect(clone.complete(request)).rejects.toBe(refused);
  });
});
