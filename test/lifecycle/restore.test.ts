import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { EMBEDDED } from '../../daemon/pocketbase/binary/binary.ts';
import { writeLastVersion } from '../../daemon/pocketbase/data/last-version.ts';
import { inTransaction, withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import { backUp, targetOf } from '../helpers/backups.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { addDocument, readAsOwner, titlesOf } from '../helpers/documents.ts';
import { instance, PASSWORD, signUp, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { call, refreshStatus } from '../helpers/http-call.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';
import { changeUserDatabase, dataFileOf, migrationsOf, putMigration } from '../helpers/user-migrations.ts';

const shared = sharedDeployment();

const directoryOf = (fathom: Deployment, { name }: Tenant) => join(fathom.dataDir, 'user_dbs', name);

it('brings back records and files, keeps the data of before, and records it', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'old');
  const backup = await backUp(fathom, tenant.name);
  await addDocument(fathom, tenant, 'new');

  const cli = (input: string, ...argv: string[]) =>
    runInProcess(['backups', 'restore', tenant.name, ...argv, '--socket', fathom.socketPath], {
      cwd: fathom.dataDir,
      input,
    });
  expect(await cli('another name\n')).toMatchObject({ code: 2, err: textWith('nothing was restored') });
  expect(titlesOf(fathom, tenant)).toEqual(['new', 'old']);
  const restored = await cli(`${tenant.name}\n`, '--backup', backup.id);
  expect(restored).toMatchObject({ code: 0, out: textWith(backup.id, 'is running', 'pb_data.before-') });

  expect(await readAsOwner(fathom, tenant)).toEqual([['old', 'file of old']]);
  const directory = directoryOf(fathom, tenant);
  expect(existsSync(join(directory, 'restore'))).toBe(false);
  const [kept] = (await readdir(directory)).filter((entry) => entry.startsWith('pb_data.before-'));
  const before = withDatabase(join(directory, kept ?? '', 'data.db'), { readOnly: true }, (database) =>
    database.prepare('SELECT title FROM documents ORDER BY title').all(),
  );
  expect(before.map(({ title }) => title)).toEqual(['new', 'old']);
  const { items } = await fathom.client.audit.list({ action: 'backup.restore' });
  expect(items.find(({ outcome }) => outcome === 'ok')).toMatchObject({ target: textWith(tenant.name) });
});

it('brings back no old password and no ended session', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const { url } = await instance(fathom, tenant.name);
  // What the owner had at the time of the backup.
  const old = new PocketBase(url ?? '');
  await old.collection('users').authWithPassword(tenant.email, PASSWORD);
  await backUp(fathom, tenant.name);
  const account = new PocketBase(fathom.globalUrl);
  await account.collection('users').authWithPassword(tenant.email, PASSWORD);
  const password = 'another-good-password';
  await account
    .collection('users')
    .update(tenant.userId, { oldPassword: PASSWORD, password, passwordConfirm: password });
  await until(async () => (await refreshStatus(url ?? '', old.authStore.token)) === 401, {
    what: 'the end of the old token',
  });
  const { database: ofToday } = await fathom.client.auth.login({ email: tenant.email, password });
  expect(await refreshStatus(url ?? '', ofToday?.token ?? '')).toBe(200);

  await fathom.client.backups.restore(tenant.name, 'latest', {});
  expect(await refreshStatus(url ?? '', old.authStore.token)).toBe(401);
  expect(await refreshStatus(url ?? '', tenant.ownerToken)).toBe(401);
  await expect(readAsOwner(fathom, tenant)).rejects.toMatchObject({ status: 400 });
  expect(await readAsOwner(fathom, tenant, password)).toEqual([]);
  // A new sign-in at the API opens the database.
  const { database } = await fathom.client.auth.login({ email: tenant.email, password });
  expect(await refreshStatus(url ?? '', database?.token ?? '')).toBe(200);
  // Fathom's own superuser works.
  expect((await fathom.client.databases.collections(tenant.name)).items.length).toBeGreaterThan(1);
});

it('makes requests wait, also of a database that sleeps', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'kept');
  await backUp(fathom, tenant.name);
  const { url } = await instance(fathom, tenant.name);
  const ended = new AbortController();
  const answers = new Map<number | string, number>();
  const ask = async () => {
    while (!ended.signal.aborted) {
      const status = await fetch(`${url}/api/health`, { headers: { connection: 'close' } }).then(
        (response) => response.status,
        (error: Error) => (error.cause as { code?: string } | undefined)?.code ?? error.message,
      );
      // A connection that the process of before had accepted ends with it.
      if (status !== 'UND_ERR_SOCKET') answers.set(status, (answers.get(status) ?? 0) + 1);
    }
  };
  const asking = ask();
  for (let round = 0; round < 3; round += 1) await fathom.client.backups.restore(tenant.name, 'latest', {});
  ended.abort();
  await asking;
  expect([...answers.keys()]).toEqual([200]);

  await fathom.client.databases.sleep(tenant.name, { force: true });
  await untilInstance(fathom, tenant.name, ({ phase }) => phase === 'asleep', 'to sleep');
  expect(await fathom.client.backups.restore(tenant.name, 'latest', {})).toMatchObject({ phase: 'running' });
  await fathom.client.databases.stop(tenant.name);
  expect(await fathom.client.backups.restore(tenant.name, 'latest', {})).toMatchObject({ phase: 'stopped' });
  await fathom.client.databases.start(tenant.name);
  expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
});

it.each([
  ['damaged', (file: string) => writeFile(file, Buffer.alloc(8192, 7))],
  ['lost', (file: string) => rm(dirname(dirname(file)), { recursive: true })],
])('starts a database again whose data is %s', async (_, harm) => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'kept');
  await backUp(fathom, tenant.name);
  await fathom.client.databases.stop(tenant.name);
  await harm(dataFileOf(fathom, tenant.name));
  await expect(fathom.client.databases.start(tenant.name)).rejects.toMatchObject({ code: 'instance.failed' });
  expect(await fathom.client.backups.restore(tenant.name, 'latest', {})).toMatchObject({ phase: 'running' });
  expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
});

it('is refused where it cannot work, and changes nothing', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'now');
  const restore = (id: string, body = {}) => fathom.client.backups.restore(tenant.name, id, body);
  await expect(restore('latest')).rejects.toMatchObject({ code: 'not_found' });
  await expect(fathom.client.replicas.times('global')).rejects.toMatchObject({
    code: 'conflict',
    message: textWith('control plane', "'fathomd restore'"),
  });
  const backup = await backUp(fathom, tenant.name);
  await expect(restore('20200101t000000z-00000000')).rejects.toMatchObject({ code: 'not_found' });
  await expect(restore('latest', { into_new: true })).rejects.toMatchObject({
    code: 'conflict',
    message: textWith('exactly one database'),
  });

  // Written by a later PocketBase.
  changeUserDatabase(fathom, tenant.name, 'CREATE TABLE later (id INTEGER)');
  withDatabase(dataFileOf(fathom, tenant.name), { readOnly: false, timeoutMs: 2_000 }, (database) =>
    inTransaction(database, () => writeLastVersion(database, '9.9.9')),
  );
  const later = await backUp(fathom, tenant.name);
  await expect(restore(later.id)).rejects.toMatchObject({ code: 'conflict', message: textWith('9.9.9') });

  // A chunk is damaged, then missing.
  const target = targetOf(fathom);
  const place = `chunks/${tenant.name}/${backup.chunks[0]?.slice(0, 2)}/${backup.chunks[0]}`;
  const chunk = await target.get(place);
  await target.put(place, Buffer.from(chunk ?? '').fill(1, 20, 30));
  await expect(restore(backup.id)).rejects.toMatchObject({ code: 'backup.failed', message: textWith(place) });
  await target.delete(place);
  await expect(restore(backup.id)).rejects.toMatchObject({ code: 'backup.failed', message: textWith(place) });
  expect(await readdir(directoryOf(fathom, tenant))).not.toContain('restore');
  expect(titlesOf(fathom, tenant)).toEqual(['now']);

  // Only the owner and administrators.
  const other = await signUp(fathom);
  const path = `${fathom.url}/api/v1/databases/${tenant.name}/backups/latest/restore`;
  expect((await call('POST', path, { token: other.token })).status).toBe(403);
  expect((await call('POST', path, { token: tenant.token })).status).not.toBe(403);
  expect(await readFile(dataFileOf(fathom, tenant.name))).toBeDefined();
});

it('keeps the data of one restore by the owner, and all of those by administrators', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'kept');
  const { id } = await backUp(fathom, tenant.name);
  // Of a clock that ran ahead.
  const ahead = `manifests/${tenant.name}/99990101t000000z-00000000.json`;
  await targetOf(fathom).put(ahead, Buffer.from('{}'));
  const path = `${fathom.url}/api/v1/databases/${tenant.name}/backups/latest/restore`;
  const kept = async () =>
    (await readdir(directoryOf(fathom, tenant))).filter((entry) => entry.startsWith('pb_data.before-'));
  const restoreAsOwner = async () => {
    const { token } = await fathom.client.auth.login({ email: tenant.email, password: PASSWORD });
    expect((await call('POST', path, { token })).status).toBe(200);
  };
  await restoreAsOwner();
  const [first] = await kept();
  expect(await fathom.client.backups.restore(tenant.name, 'latest', {})).toMatchObject({ backup: id });
  await restoreAsOwner();
  const entries = await kept();
  expect(entries).toHaveLength(2);
  expect(entries).not.toContain(first);
  expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
});

async function idsOf({ client }: Deployment, name: string): Promise<string[]> {
  return (await client.backups.ofDatabase(name)).items.map(({ id }) => id);
}

/** Another host uses the target: this one reads it only. */
async function giveTargetAway({ dataDir }: Deployment): Promise<() => Promise<void>> {
  const mark = join(dataDir, 'backups', 'fathom.json');
  const content = await readFile(mark, 'utf8');
  const { host } = JSON.parse(content) as { host: string };
  await writeFile(mark, content.replace(host, randomUUID()));
  return () => writeFile(mark, content);
}

describe('a restore and a pin with backups before changes', () => {
  const changing = sharedDeployment({ BACKUP_SCHEDULE: '0 2 1 1 *', BACKUP_DRILLS: 'off' });

  /** A database with a backup of its document `old`, and a document `new` since. */
  async function changedSinceBackup() {
    const { fathom } = changing;
    const tenant = await signUp(fathom);
    const { name } = tenant;
    await addDocument(fathom, tenant, 'old');
    const { id } = await fathom.client.backups.create(name);
    await addDocument(fathom, tenant, 'new');
    return { fathom, tenant, name, id };
  }

  it('back up the data of now, and `latest` is the backup before', async () => {
    const { fathom, tenant, name, id } = await changedSinceBackup();

    expect(await fathom.client.backups.restore(name, 'latest', {})).toMatchObject({ backup: id });
    expect(titlesOf(fathom, tenant)).toEqual(['old']);
    const [made, ...others] = await idsOf(fathom, name);
    expect(others).toEqual([id]);
    await fathom.client.backups.restore(name, made ?? '', {});
    expect(titlesOf(fathom, tenant)).toEqual(['new', 'old']);
  });

  it('back up a database before a pin that changes its version', async () => {
    const { fathom } = changing;
    const tenant = await signUp(fathom);
    const { name } = tenant;
    await fathom.client.databases.pin(name, { version: EMBEDDED.version });
    expect(await idsOf(fathom, name)).toHaveLength(1);
    await addDocument(fathom, tenant, 'new');
    await fathom.client.databases.pin(name, { version: EMBEDDED.version });
    expect(await idsOf(fathom, name)).toHaveLength(1);
  });

  it('are refused when this backup fails, unless they may go on without it', async () => {
    const { fathom, tenant, name, id } = await changedSinceBackup();
    const giveBack = await giveTargetAway(fathom);
    const refused = { code: 'backup.failed', message: textWith('uses the target', '--without-backup') };
    const run = (...args: string[]) =>
      runInProcess([...args, '--socket', fathom.socketPath], { cwd: fathom.dataDir });
    try {
      await expect(fathom.client.backups.restore(name, 'latest', {})).rejects.toMatchObject(refused);
      const pin = fathom.client.databases.pin(name, { version: EMBEDDED.version });
      await expect(pin).rejects.toMatchObject(refused);
      expect(titlesOf(fathom, tenant)).toEqual(['new', 'old']);
      expect((await instance(fathom, name)).pinned_version).toBeNull();

      const pinned = await run('databases', 'pin', name, EMBEDDED.version, '--without-backup');
      expect(pinned).toMatchObject({ code: 0 });
      const restored = await run('backups', 'restore', name, '--yes', '--without-backup');
      expect(restored).toMatchObject({ code: 0, out: textWith(id) });
      expect(titlesOf(fathom, tenant)).toEqual(['old']);
      expect(await idsOf(fathom, name)).toEqual([id]);
    } finally {
      await giveBack();
    }
  });

  it.each([
    ['lost', (file: string) => rm(dirname(file), { recursive: true })],
    ['damaged', (file: string) => writeFile(file, Buffer.alloc(8192, 7))],
  ])('restore a database whose data is %s', async (_, harm) => {
    const { fathom } = changing;
    const tenant = await signUp(fathom);
    const { name } = tenant;
    await addDocument(fathom, tenant, 'kept');
    await fathom.client.backups.create(name);
    await fathom.client.databases.stop(name);
    await harm(dataFileOf(fathom, name));
    await fathom.client.backups.restore(name, 'latest', {});
    expect(titlesOf(fathom, tenant)).toEqual(['kept']);
  });
});

it('warns when the restored database runs without a migration', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'refused');
  await backUp(fathom, tenant.name);
  const file = '1900000000_refuses.js';
  await putMigration(
    fathom,
    file,
    `migrate((app) => {
      if (app.countRecords('documents', $dbx.hashExp({ title: 'refused' })) > 0) throw new Error('bad data');
    });`,
  );
  await fathom.client.databases.restart(tenant.name);
  const restore = (...options: string[]) =>
    runInProcess(['backups', 'restore', tenant.name, '--yes', '--socket', fathom.socketPath, ...options], {
      cwd: fathom.dataDir,
    });
  expect(await restore()).toMatchObject({
    code: 0,
    out: textWith('is running'),
    err: textWith('warning: ', file, 'bad data'),
  });
  const { code, out } = await restore('--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ phase: 'running', reason: { message: textWith(file) } });
  await rm(join(migrationsOf(fathom), file));
});
