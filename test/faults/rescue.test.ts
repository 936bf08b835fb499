import { cp, mkdir, open, readdir, rename, rm, stat, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, kill, ownerOf, signUp, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { call } from '../helpers/http-call.ts';

// No probe comes between: what a command ends, only that command can have saved.
const shared = sharedDeployment({ PB_HEALTH_INTERVAL: '86400' });

const databasesOf = (fathom: Deployment) => join(fathom.dataDir, 'user_dbs');
const directoryOf = (fathom: Deployment, { name }: Tenant) => join(databasesOf(fathom), name);
const dataOf = (fathom: Deployment, tenant: Tenant) => join(directoryOf(fathom, tenant), 'pb_data');

/** The one directory with what was saved of an instance, in a directory of instances. */
async function rescuedOf(parent: string, name: string): Promise<string> {
  const rescued = (await readdir(parent)).filter((entry) => entry.startsWith(`.rescued-${name}-`));
  expect(rescued).toHaveLength(1);
  return join(parent, rescued[0] ?? '', 'pb_data');
}

function titlesIn(pbData: string): string[] {
  return withDatabase(join(pbData, 'data.db'), { readOnly: true }, (database) => {
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    const rows = database.prepare('SELECT title FROM documents ORDER BY created, rowid').all();
    return rows.map(({ title }) => String(title));
  });
}

async function titlesServed(fathom: Deployment, tenant: Tenant): Promise<string[]> {
  const owner = await ownerOf(fathom, tenant);
  const records = await owner.collection('documents').getFullList({ sort: 'created' });
  return records.map((record) => String(record['title']));
}

async function write(fathom: Deployment, tenant: Tenant, title: string): Promise<void> {
  await (await ownerOf(fathom, tenant)).collection('documents').create({ title });
}

/** A database whose last record is in the WAL alone, with a copy of what was there before it. */
async function withRecords(fathom: Deployment): Promise<{ tenant: Tenant; backup: string }> {
  const tenant = await signUp(fathom);
  await write(fathom, tenant, 'in the backup');
  await fathom.client.databases.stop(tenant.name);
  const backup = join(fathom.dataDir, `${tenant.name}.backup`);
  await cp(dataOf(fathom, tenant), backup, { recursive: true });
  await fathom.client.databases.start(tenant.name);
  await write(fathom, tenant, 'in the WAL');
  return { tenant, backup };
}

const ALL = ['in the backup', 'in the WAL'];

const ENDS: Record<string, (fathom: Deployment, tenant: Tenant) => Promise<unknown>> = {
  stop: ({ client }, { name }) => client.databases.stop(name),
  restart: ({ client }, { name }) => client.databases.restart(name).catch((error: unknown) => error),
  stop_pb: ({ url }, { token, userId }) => call('POST', `${url}/api/users/${userId}/stop_pb`, { token }),
  'init_pb with force_restart': ({ url }, { token, userId }) =>
    call('POST', `${url}/api/users/${userId}/init_pb`, { token, body: { force_restart: true } }),
  'its own deletion': ({ client }, { name }) => client.databases.delete(name),
};

it.each(Object.entries(ENDS))(
  '%s saves what a process whose directory was deleted still holds',
  async (_, end) => {
    const { fathom } = shared;
    const { tenant } = await withRecords(fathom);
    const { pid } = await instance(fathom, tenant.name);
    await rm(directoryOf(fathom, tenant), { recursive: true });

    await end(fathom, tenant);
    expect(() => kill(pid, 'SIGCONT')).toThrow('ESRCH');
    // Its owner learns what it is, and nothing about the host.
    const { token, name } = tenant;
    for (const path of [`databases/${name}`, `events?name=${name}`]) {
      const seen = await call('GET', `${fathom.url}/api/v1/${path}`, { token });
      expect(JSON.stringify(seen.body)).not.toMatch(new RegExp(`${fathom.dataDir}|fathomd`));
    }
    const rescued = await rescuedOf(databasesOf(fathom), tenant.name);
    expect(titlesIn(rescued)).toEqual(ALL);
    expect((await stat(rescued)).mode & 0o777).toBe(0o700);
  },
);

it('what a restart saved is named in the reason, and runs again once it is moved into place', async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  await rm(directoryOf(fathom, tenant), { recursive: true });
  await expect(fathom.client.databases.restart(tenant.name)).rejects.toMatchObject({
    code: 'instance.failed',
  });

  const rescued = await rescuedOf(databasesOf(fathom), tenant.name);
  const { reason } = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, attempt }) => phase === 'backing_off' && attempt >= 3,
    'to be missed',
  );
  expect(reason).toMatchObject({
    code: 'data_dir_missing',
    message: expect.stringContaining(join(rescued, '..')),
  });
  await rename(join(rescued, '..'), directoryOf(fathom, tenant));
  await fathom.client.databases.start(tenant.name);
  expect(await titlesServed(fathom, tenant)).toEqual(ALL);
});

it('a data.db that is replaced beside its WAL is not mixed with it: the former one is saved whole, the new one runs as it is', async () => {
  const { fathom } = shared;
  const { tenant, backup } = await withRecords(fathom);
  const file = join(dataOf(fathom, tenant), 'data.db');
  await cp(join(backup, 'data.db'), `${file}.new`);
  await rename(`${file}.new`, file);

  await fathom.client.databases.restart(tenant.name);
  expect(await titlesServed(fathom, tenant)).toEqual(['in the backup']);
  expect(titlesIn(await rescuedOf(databasesOf(fathom), tenant.name))).toEqual(ALL);
});

it('a data.db that is renamed beside its WAL is saved together with it', async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  const data = dataOf(fathom, tenant);
  await rename(join(data, 'data.db'), join(data, 'data.db.old'));

  await fathom.client.databases.stop(tenant.name);
  expect(titlesIn(await rescuedOf(databasesOf(fathom), tenant.name))).toEqual(ALL);
  // The next database in this place must not find it.
  expect(await readdir(data)).not.toContain('data.db-wal');
});

it('a WAL that is deleted is put back, so nothing is lost with the process', async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  await rm(join(dataOf(fathom, tenant), 'data.db-wal'));

  await fathom.client.databases.restart(tenant.name);
  expect(await titlesServed(fathom, tenant)).toEqual(ALL);
  expect(titlesIn(await rescuedOf(databasesOf(fathom), tenant.name))).toEqual(ALL);
});

it('a WAL that is renamed is saved and put back, and the cause is named', async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  const wal = join(dataOf(fathom, tenant), 'data.db-wal');
  await rename(wal, join(fathom.dataDir, `${tenant.name}.away`));

  await fathom.client.databases.restart(tenant.name);
  expect(await titlesServed(fathom, tenant)).toEqual(ALL);
  expect(titlesIn(await rescuedOf(databasesOf(fathom), tenant.name))).toEqual(ALL);
});

it('a directory that is moved away is named as what to move back, until it is', async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  const elsewhere = join(fathom.dataDir, `${tenant.name}.elsewhere`);
  await rename(directoryOf(fathom, tenant), elsewhere);
  await expect(fathom.client.databases.restart(tenant.name)).rejects.toMatchObject({
    code: 'instance.failed',
  });

  const { reason } = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, attempt }) => phase === 'backing_off' && attempt >= 3,
    'to be missed',
  );
  expect(reason).toMatchObject({
    code: 'data_dir_missing',
    message: expect.stringContaining(join(elsewhere, 'pb_data', 'data.db')),
  });
  await rename(elsewhere, directoryOf(fathom, tenant));
  await fathom.client.databases.start(tenant.name);
  expect(await titlesServed(fathom, tenant)).toEqual(ALL);
});

it('a directory that is moved away, with another one in its place, leaves both as they are', async () => {
  const { fathom } = shared;
  const { tenant, backup } = await withRecords(fathom);
  const other = await withRecords(fathom);
  const [data, elsewhere] = [dataOf(fathom, tenant), join(fathom.dataDir, 'elsewhere')];
  await rename(data, elsewhere);
  await cp(backup, data, { recursive: true });
  // It has a WAL of its own, which a process that closes its files would remove.
  await cp(join(dataOf(fathom, other.tenant), 'data.db-wal'), join(data, 'data.db-wal'));
  const { size } = await stat(join(data, 'data.db-wal'));

  await fathom.client.databases.stop(tenant.name);
  expect((await stat(join(data, 'data.db-wal'))).size).toBe(size);
  expect(titlesIn(elsewhere)).toEqual(ALL);
  expect(
    (await readdir(databasesOf(fathom))).filter((name) => name.startsWith(`.rescued-${tenant.name}`)),
  ).toEqual([]);
});

it("the files behind a pb_data that is a link are saved; and PocketBase's log alone, should only that be deleted", async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  const [data, volume] = [dataOf(fathom, tenant), join(fathom.dataDir, 'volume')];
  await fathom.client.databases.stop(tenant.name);
  await mkdir(volume);
  await rename(data, join(volume, 'pb_data'));
  await symlink(join(volume, 'pb_data'), data);
  await fathom.client.databases.start(tenant.name);
  await write(fathom, tenant, 'behind the link');

  await rm(join(data, 'auxiliary.db'));
  await fathom.client.databases.restart(tenant.name);
  const logs = await rescuedOf(databasesOf(fathom), tenant.name);
  expect(await readdir(logs)).not.toContain('data.db');
  expect(await readdir(data)).toContain('auxiliary.db');
  expect(await titlesServed(fathom, tenant)).toEqual([...ALL, 'behind the link']);

  await rm(join(logs, '..'), { recursive: true });
  await rm(volume, { recursive: true });
  await fathom.client.databases.stop(tenant.name);
  expect(titlesIn(await rescuedOf(databasesOf(fathom), tenant.name))).toEqual([...ALL, 'behind the link']);
});

it('a database that is damaged is killed, not closed: its WAL stays', async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  const file = join(dataOf(fathom, tenant), 'data.db');
  const { size } = await stat(`${file}-wal`);
  expect(size).toBeGreaterThan(0);
  await using handle = await open(file, 'r+');
  await handle.write('this is no database', 0);

  await fathom.client.databases.stop(tenant.name);
  expect((await stat(`${file}-wal`)).size).toBe(size);
});

it('a database that was emptied keeps its WAL, which may hold all of it, over starts and the doctor', async () => {
  const { fathom } = shared;
  const { tenant } = await withRecords(fathom);
  const file = join(dataOf(fathom, tenant), 'data.db');
  const { size } = await stat(`${file}-wal`);
  await truncate(file, 0);

  const failure = { code: 'instance.failed' };
  await expect(fathom.client.databases.restart(tenant.name)).rejects.toMatchObject(failure);
  // Its account is carried over, and its files are read.
  await fathomd(['users', 'sign-out', tenant.email], { env: fathom.env });
  expect(await doctorFindings(fathom)).toContainEqual(
    expect.objectContaining({ id: 'damaged', summary: expect.stringContaining(tenant.name) }),
  );
  await expect(fathom.client.databases.start(tenant.name)).rejects.toMatchObject(failure);
  expect((await stat(`${file}-wal`)).size).toBe(size);
});

it('the end of the daemon, and a daemon that takes over, save the files of all, the global database included', async () => {
  const fathom = await deployment({ PB_HEALTH_INTERVAL: '86400' });
  let daemon = await fathom.start();
  const [stopped, killed, unwanted] = [
    await withRecords(fathom),
    await withRecords(fathom),
    await withRecords(fathom),
  ];
  await rm(directoryOf(fathom, killed.tenant), { recursive: true });
  await rm(directoryOf(fathom, unwanted.tenant), { recursive: true });
  daemon.signal('SIGKILL');
  await daemon.exited;
  // The next daemon takes one over, and ends the other, as no row names it any more.
  withDatabase(
    join(fathom.dataDir, 'global', 'pb_data', 'data.db'),
    { readOnly: false, timeoutMs: 5_000 },
    (global) => global.prepare('DELETE FROM user_databases WHERE name = ?').run(unwanted.tenant.name),
  );
  daemon = await fathom.start();
  expect(titlesIn(await rescuedOf(databasesOf(fathom), unwanted.tenant.name))).toEqual(ALL);

  await rm(directoryOf(fathom, stopped.tenant), { recursive: true });
  await rm(join(fathom.dataDir, 'global'), { recursive: true });
  await daemon.stop();
  for (const { tenant } of [stopped, killed]) {
    expect(titlesIn(await rescuedOf(databasesOf(fathom), tenant.name))).toEqual(ALL);
  }
  const global = await rescuedOf(fathom.dataDir, 'global');
  const rows = withDatabase(join(global, 'data.db'), { readOnly: true }, (database) =>
    database.prepare('SELECT name FROM user_databases').all(),
  );
  const names = [stopped, killed].map(({ tenant }) => ({ name: tenant.name }));
  expect(rows).toEqual(expect.arrayContaining(names));
});
