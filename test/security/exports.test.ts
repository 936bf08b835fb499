import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import { backUp } from '../helpers/backups.ts';
import { bareInstance } from '../helpers/bare-instance.ts';
import { addDocument } from '../helpers/documents.ts';
import { instance, signUp, type Tenant } from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { call } from '../helpers/http-call.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';
import { dataFileOf } from '../helpers/user-migrations.ts';

const run = promisify(execFile);
const shared = sharedDeployment({ EXPORTS_PER_DAY: '40' });

const pathOf = (name: string, rest = 'latest/download') =>
  `${shared.fathom.url}/api/v1/databases/${name}/backups/${rest}`;

async function download(url: string, token: string): Promise<Buffer> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

async function unpack(archive: Buffer): Promise<string> {
  const directory = await scratch();
  await writeFile(join(directory, 'a.tar'), archive);
  await mkdir(join(directory, 'out'));
  await run('tar', ['-xf', join(directory, 'a.tar'), '-C', join(directory, 'out')]);
  return join(directory, 'out');
}

/** Nothing decrypted is left. */
async function leftovers(): Promise<string[]> {
  const { fathom } = shared;
  return readdir(join(fathom.dataDir, 'backup-scratch')).catch(() => []);
}

const cli = (...argv: string[]) =>
  runInProcess([...argv, '--socket', shared.fathom.socketPath], { cwd: shared.fathom.dataDir });

function change({ name }: Tenant, work: (database: DatabaseSync) => void): void {
  withDatabase(dataFileOf(shared.fathom, name), { readOnly: false, timeoutMs: 2_000, isTrusted: true }, work);
}

async function withDocument(label: string): Promise<Tenant> {
  const tenant = await signUp(shared.fathom, label);
  await addDocument(shared.fathom, tenant, 'kept');
  return tenant;
}

describe('an archive of a backup', () => {
  it('works in another PocketBase, and has no secret of the running database', async () => {
    const { fathom } = shared;
    const tenant = await withDocument('ann');
    // A secret of a provider, as an application sets it.
    change(tenant, (database) => {
      const { options } =
        database.prepare("SELECT options FROM _collections WHERE name = 'users'").get() ?? {};
      const parsed = JSON.parse(String(options)) as Record<string, object>;
      parsed['oauth2'] = {
        ...parsed['oauth2'],
        providers: [{ name: 'google', clientId: 'id-1', clientSecret: 'provider-secret-1' }],
      };
      database
        .prepare("UPDATE _collections SET options = ? WHERE name = 'users'")
        .run(JSON.stringify(parsed));
    });
    const live = join(fathom.dataDir, 'user_dbs', tenant.name, 'pb_data', 'data.db');
    const secrets = withDatabase(live, { readOnly: true }, (database) => [
      ...database.prepare('SELECT password, tokenKey FROM _superusers').all().flatMap(Object.values),
      ...database.prepare('SELECT password, tokenKey FROM users').all().flatMap(Object.values),
      ...database
        .prepare("SELECT options FROM _collections WHERE type = 'auth'")
        .all()
        .flatMap(({ options }) => String(options).match(/(?<="secret":")[^"]{20,}/g) ?? []),
      'provider-secret-1',
    ])
      .map(String)
      // An account without a password of its own has the sign for none.
      .filter((secret) => secret.length > 1);
    expect(secrets.length).toBeGreaterThan(8);
    await backUp(fathom, tenant.name);

    const archive = await download(pathOf(tenant.name), tenant.token);
    for (const secret of secrets) expect(archive.includes(secret), secret).toBe(false);
    expect(archive.includes('file of kept')).toBe(true);
    expect(await leftovers()).toEqual([]);

    const out = await unpack(archive);
    const [directory = ''] = await readdir(out);
    expect(await readdir(join(out, directory))).toEqual(expect.arrayContaining(['data.db', 'storage']));
    const other = await bareInstance();
    await mkdir(other.command.dataDir, { recursive: true });
    await cp(join(out, directory), other.command.dataDir, { recursive: true });
    const titles = withDatabase(join(other.command.dataDir, 'data.db'), { readOnly: true }, (database) =>
      database.prepare('SELECT title FROM documents').all(),
    );
    expect(titles).toEqual([{ title: 'kept' }]);
    await other.start();
    await other.untilReady();
  });

  it('is for its owner and administrators only', async () => {
    const { fathom } = shared;
    const [own, other] = [await withDocument('bob'), await withDocument('cid')];
    for (const { name } of [own, other]) await backUp(fathom, name);
    const {
      fathom: { client },
    } = shared;
    for (const [role, status] of [
      ['viewer', 403],
      ['operator', 403],
    ] as const) {
      const reader = await signUp(fathom, role);
      await client.users.update(reader.userId, { role });
      const session = await client.auth.login({ email: reader.email, password: 'a-good-password' });
      for (const url of [pathOf(own.name), `${fathom.url}/api/v1/users/${own.userId}/export`])
        expect((await call('GET', url, { token: session.token })).status).toBe(status);
    }
    const refused = [
      pathOf(other.name),
      pathOf(other.name, 'latest/collections/documents'),
      `${fathom.url}/api/v1/users/${other.userId}/export`,
      pathOf('2024-01-15-001-nobody'),
    ];
    for (const url of refused) {
      expect((await call('GET', url, { token: own.token })).status).toBe(403);
      expect((await call('GET', url)).status).toBe(401);
    }
    expect((await call('GET', pathOf('global'), { token: own.token })).status).toBe(400);
    for (const id of ['..%2f..%2fglobal', '20240115t000000000z-00000000', '%2e%2e'])
      expect([400, 404]).toContain(
        (await call('GET', pathOf(own.name, `${id}/download`), { token: own.token })).status,
      );
    // HEAD would read all of it.
    expect((await call('HEAD', pathOf(own.name), { token: own.token })).status).toBe(405);
    const { items } = await client.audit.list({ action: 'backup.download', target: other.name });
    expect(items.map(({ outcome, actor }) => [outcome, actor])).toContainEqual(['refused', own.userId]);
    expect(await leftovers()).toEqual([]);
  });

  it('is read one at a time by a user, and an aborted or slow download leaves nothing', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom, 'dan');
    // Larger than the buffers of the sockets.
    const client = new PocketBase((await instance(fathom, tenant.name)).url ?? '');
    client.authStore.save(tenant.ownerToken);
    const form = new FormData();
    form.set('title', 'large');
    form.set('files', new Blob([Buffer.alloc(40 * 1024 * 1024, 'x9')]), 'large.bin');
    await client.collection('documents').create(form);
    await backUp(fathom, tenant.name);
    const daemonPid = (await fathom.client.daemon.status()).pid;
    const memory = async () =>
      Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${daemonPid}/status`, 'utf8'))?.[1]) / 1024;

    const before = await memory();
    const slow = await new Promise<IncomingMessage>((resolve, reject) => {
      get(pathOf(tenant.name), { headers: { authorization: `Bearer ${tenant.token}` } }, resolve).on(
        'error',
        reject,
      );
    });
    expect(slow.statusCode).toBe(200);
    expect(Number(slow.headers['content-length'])).toBeGreaterThan(40 * 1024 * 1024);
    // It does not read on. Meanwhile nothing of it is on the disk, and others are not kept waiting.
    expect(await leftovers()).toEqual([]);
    expect((await call('GET', pathOf(tenant.name), { token: tenant.token })).status).toBe(409);
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token: tenant.token })).status).toBe(200);
    expect((await memory()) - before).toBeLessThan(60);
    // A backup and pruning go on, and what is read stays.
    await addDocument(fathom, tenant, 'new');
    await fathom.client.backups.create(tenant.name, {});
    slow.destroy();
    await until(
      async () => {
        const { status } = await call('GET', pathOf(tenant.name, 'latest/collections/documents'), {
          token: tenant.token,
        });
        return status === 200;
      },
      { what: 'the slot to be free' },
    );
    expect(await leftovers()).toEqual([]);
    // A complete one is as long as it said.
    const archive = await download(pathOf(tenant.name), tenant.token);
    expect(archive.includes('x9x9')).toBe(true);
  });

  it('ends early when a part is damaged, and the command leaves no file', async () => {
    const { fathom } = shared;
    const tenant = await withDocument('eve');
    const backup = await backUp(fathom, tenant.name);
    const stored = backup.files.find(({ path }) => path.startsWith('storage/') && path.endsWith('.txt'));
    const chunk = stored?.chunks[0] ?? '';
    const path = join(fathom.dataDir, 'backups', 'chunks', tenant.name, chunk.slice(0, 2), chunk);
    const content = await readFile(path);
    await writeFile(path, Buffer.from(content.map((byte, index) => (index === 20 ? byte ^ 1 : byte))));
    const failed = await cli('backups', 'export', tenant.name, 'eve.tar');
    expect(failed).toMatchObject({ code: 70, err: textWith('ended early') });
    await expect(readFile(join(fathom.dataDir, 'eve.tar'))).rejects.toMatchObject({ code: 'ENOENT' });
    await rm(path);
    expect((await cli('backups', 'export', tenant.name, 'eve.tar')).code).toBe(70);
    await writeFile(path, content);
    expect(await cli('backups', 'export', tenant.name, 'eve.tar', '--id', backup.id)).toMatchObject({
      code: 0,
    });
    expect(await cli('backups', 'export', tenant.name, 'eve.tar')).toMatchObject({
      code: 2,
      err: textWith('exists'),
    });
    expect(await cli('backups', 'export', tenant.name, 'x.tar', '--id', 'no-such')).toMatchObject({
      code: 1,
    });
  });
});

describe('a collection', () => {
  it('is CSV without formulas, and JSON with its values', async () => {
    const { fathom } = shared;
    const tenant = await withDocument('fay');
    const odd = [
      '=HYPERLINK("http://x")',
      '+1',
      '-1',
      '@SUM(A1)',
      '\tx',
      'a,"b"\nc',
      "it's",
      '日本',
      'z'.repeat(6_000_000),
    ];
    change(tenant, (database) => {
      const insert = database.prepare("INSERT INTO documents (id, title, files) VALUES (?, ?, '[]')");
      for (const [index, title] of odd.entries()) insert.run(`odd00000000000${index}`, title);
    });
    await backUp(fathom, tenant.name);
    const read = async (format: string, collection = 'documents') =>
      (
        await download(pathOf(tenant.name, `latest/collections/${collection}?format=${format}`), tenant.token)
      ).toString();
    const csv = await read('csv');
    for (const line of [
      `"'=HYPERLINK(""http://x"")"`,
      "'+1",
      "'-1",
      "'@SUM(A1)",
      "'\tx",
      '"a,""b""\nc"',
      "it's",
      '日本',
    ])
      expect(csv).toContain(line);
    const rows = JSON.parse(await read('json')) as { id: string; title: string; files: unknown }[];
    expect(rows.map(({ title }) => title)).toEqual(expect.arrayContaining(odd));
    expect(rows[0]?.files).toEqual(expect.any(Array));
    const users = await read('json', 'users');
    expect(JSON.parse(users)).toMatchObject([{ email: tenant.email }]);
    expect(users).not.toMatch(/tokenKey|password/);
    for (const [collection, status] of [
      ['nothing', 404],
      ['sqlite_master', 404],
      ['..%2f..%2fglobal', 404],
      ["documents' OR 1=1 --", 404],
    ] as const) {
      const url = pathOf(tenant.name, `latest/collections/${collection.replaceAll(' ', '%20')}`);
      expect((await call('GET', url, { token: tenant.token })).status).toBe(status);
    }
    const saved = await cli(
      'backups',
      'export',
      tenant.name,
      'fay.csv',
      '--collection',
      'documents',
      '--format',
      'csv',
    );
    expect(saved.code).toBe(0);
    expect(await readFile(join(fathom.dataDir, 'fay.csv'), 'utf8')).toBe(csv);
    expect((await cli('backups', 'export', tenant.name, 'y', '--format', 'json')).code).toBe(2);
    expect(await leftovers()).toEqual([]);
  });
});

describe('everything of an account', () => {
  it('has what is stored of the user, nothing of others, and no secret', async () => {
    const { fathom } = shared;
    const [tenant, other] = [await withDocument('gil'), await withDocument('hal')];
    const { key } = await fathom.client.apiKeys.add({ name: 'my key', user_id: tenant.userId });
    await fathom.client.queue.add({
      type: 'http.request',
      payload: { url: 'http://192.0.2.1/' },
      user_id: tenant.userId,
    });
    const url = `${fathom.url}/api/v1/users/${tenant.userId}/export`;
    const archive = await download(url, tenant.token);
    for (const secret of [key, tenant.token, other.email, other.name])
      expect(archive.includes(secret)).toBe(false);
    const out = await unpack(archive);
    expect((await readdir(out)).toSorted()).toEqual([
      'account.json',
      'api-keys-0001.json',
      'audit-0001.json',
      'database',
      'sessions-0001.json',
      'tasks-0001.json',
    ]);
    const read = async (name: string) => JSON.parse(await readFile(join(out, name), 'utf8')) as unknown;
    expect(await read('account.json')).toMatchObject({ email: tenant.email });
    expect(await read('api-keys-0001.json')).toMatchObject([{ name: 'my key' }]);
    expect(await read('sessions-0001.json')).toMatchObject([{ user_id: tenant.userId }]);
    expect(await read('tasks-0001.json')).toMatchObject([
      { type: 'http.request', payload: { url: 'http://192.0.2.1/' } },
    ]);
    const actors = ((await read('audit-0001.json')) as { actor: string }[]).map(({ actor }) => actor);
    expect(new Set(actors)).toEqual(new Set([tenant.userId]));
    const titles = withDatabase(
      join(out, 'database', tenant.name, 'data.db'),
      { readOnly: true },
      (database) => database.prepare('SELECT title FROM documents').all(),
    );
    expect(titles).toEqual([{ title: 'kept' }]);
    // Administrators have a command; an account without a database has no database.
    const { id } = await fathom.client.users.add({
      email: 'view@example.com',
      password: 'a-good-password',
      role: 'viewer',
    });
    expect(await cli('users', 'export', 'view@example.com', 'view.tar')).toMatchObject({ code: 0 });
    const { stdout } = await run('tar', ['-tf', join(fathom.dataDir, 'view.tar')]);
    expect(stdout).toContain('account.json');
    expect(stdout).not.toContain('database');
    expect(
      (await call('GET', `${fathom.url}/api/v1/users/${id}/export`, { token: tenant.token })).status,
    ).toBe(403);
  });

  it('is limited by the plan', async () => {
    const { fathom } = shared;
    const tenant = await withDocument('ivy');
    await fathom.client.plans.set('few', { exports_per_day: 1 });
    await fathom.client.users.update(tenant.userId, { plan: 'few' });
    const url = `${fathom.url}/api/v1/users/${tenant.userId}/export`;
    // One that does not begin does not count.
    expect((await call('GET', pathOf(tenant.name, 'no-such/download'), { token: tenant.token })).status).toBe(
      404,
    );
    await download(url, tenant.token);
    const refused = await call<{ code: string }>('GET', url, { token: tenant.token });
    expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_600);
  });
});

it('what a crash leaves is removed by the next start', async () => {
  const fathom = await deployment();
  const left = join(fathom.dataDir, 'backup-scratch', 'export-of-before');
  await mkdir(left, { recursive: true });
  await writeFile(join(left, 'copy.db'), 'decrypted');
  await fathom.start();
  await until(() => !existsSync(left), { what: 'the scratch to be removed' });
});
