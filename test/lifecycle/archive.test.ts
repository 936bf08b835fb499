import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { expect, it } from 'vitest';
import { type FathomError, messageOf } from '../../shared/errors.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { PASSWORD, signIn, signUp, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { deployment } from '../helpers/harness.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const KEPT = [['kept', 'file of kept']];

const directoryOf = (fathom: Deployment, name: string) => join(fathom.dataDir, 'user_dbs', name);

const hasFiles = (fathom: Deployment, { name }: Tenant) =>
  existsSync(join(directoryOf(fathom, name), 'pb_data'));

async function tenantWithDocument(fathom: Deployment, label = 'user'): Promise<Tenant> {
  const tenant = await signUp(fathom, label);
  await addDocument(fathom, tenant, 'kept');
  return tenant;
}

async function archivedTenant(fathom: Deployment, label = 'user'): Promise<Tenant> {
  const tenant = await tenantWithDocument(fathom, label);
  await fathom.client.databases.archive(tenant.name);
  expect(hasFiles(fathom, tenant)).toBe(false);
  return tenant;
}

const titles = async (fathom: Deployment, { name, ownerToken }: Tenant) => {
  const { url } = await fathom.client.databases.get(name);
  const response = await fetch(`${url}/api/collections/documents/records`, {
    headers: { authorization: ownerToken },
  });
  const { items } = (await response.json()) as { items: { title: string }[] };
  return [response.status, ...items.map(({ title }) => title)];
};

it('moves the files of a database into a backup, and the next request brings them back', async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await tenantWithDocument(fathom);
  const { name } = tenant;
  const before = await fathom.client.databases.get(name);
  const { stdout, exitCode } = await fathomd(
    ['databases', 'archive', name, '--yes', '--json', '--socket', fathom.socketPath],
    {},
  );
  expect(exitCode).toBe(0);
  const archived = JSON.parse(stdout) as { backup: string; phase: string; freed_bytes: number };
  expect(archived).toMatchObject({ database: name, phase: 'asleep' });
  expect(archived.freed_bytes).toBeGreaterThan(100_000);
  expect(hasFiles(fathom, tenant)).toBe(false);

  const instance = await fathom.client.databases.get(name);
  expect(instance).toMatchObject({ phase: 'asleep', port: before.port, reason: { code: 'archived' } });
  const usage = (await fathom.client.usage.all()).find((one) => one.name === name);
  expect(usage?.disk_bytes).toBe(0);
  await expect(fathom.client.databases.archive(name)).rejects.toMatchObject({ code: 'conflict' });

  const findings = await doctorFindings(fathom);
  expect(findings.filter((one) => JSON.stringify(one).includes('without data.db'))).toEqual([]);

  // The only copy stays, and there is nothing to back up.
  const made = await fathom.client.backups.create(name);
  expect(made).toMatchObject({ id: archived.backup });
  const { kept } = await fathom.client.backups.prune(name, {});
  expect(kept).toContain(archived.backup);
  const { backups } = await fathom.client.daemon.status();
  expect(backups).toMatchObject({ late: 0, failures: [] });

  const begun = performance.now();
  expect(await titles(fathom, tenant)).toEqual([200, 'kept']);
  console.log(`freed ${archived.freed_bytes} bytes; back in ${Math.round(performance.now() - begun)} ms`);
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
  expect(existsSync(join(directoryOf(fathom, name), 'archived.json'))).toBe(false);
  expect(await fathom.client.databases.get(name)).toMatchObject({ phase: 'running', reason: null });
  const { items } = await fathom.client.audit.list({ target: name });
  expect(items.map(({ action }) => action)).toContain('database.archive');
});

it('comes back at a sign-in, a wake and a start', async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await archivedTenant(fathom);
  const { name } = tenant;
  const session = await signIn(fathom, tenant);
  expect(session.database).toMatchObject({ name, token: expect.any(String) as string });
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);

  await fathom.client.databases.archive(name);
  const global = new PocketBase(fathom.globalUrl);
  await global.collection('users').authWithPassword(tenant.email, PASSWORD);
  await untilInstance(fathom, name, ({ phase }) => phase === 'running', 'to run');
  expect(hasFiles(fathom, tenant)).toBe(true);

  await fathom.client.databases.archive(name);
  expect(await fathom.client.databases.wake(name)).toMatchObject({ phase: 'running' });

  await fathom.client.databases.stop(name);
  await fathom.client.databases.archive(name);
  expect(await fathom.client.databases.get(name)).toMatchObject({
    phase: 'stopped',
    reason: { code: 'archived' },
  });
  expect(await fathom.client.databases.start(name)).toMatchObject({ phase: 'running' });
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
});

it('keeps all backups of a database whose archived.json is damaged, until it is restored', async () => {
  const fathom = await deployment({ BACKUP_KEEP: '1h' });
  const daemon = await fathom.start();
  const tenant = await tenantWithDocument(fathom);
  const { name } = tenant;
  await fathom.client.backups.create(name);
  await fathom.client.databases.archive(name);
  await daemon.stop();
  const mark = join(directoryOf(fathom, name), 'archived.json');
  await writeFile(mark, '{"format":1,');
  await fathom.start();
  for (const dry_run of [true, false])
    await expect(fathom.client.backups.prune(name, { dry_run })).rejects.toMatchObject({
      code: 'backup.failed',
      message: textWith('no backup of', 'archived.json', `fathomd backups restore ${name}`),
    });
  await fathom.client.backups.restore(name, 'latest');
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
  expect(existsSync(mark)).toBe(false);
  expect((await fathom.client.backups.prune(name, {})).kept).toHaveLength(1);
});

it('stays archived over a restart of the daemon, and without one its clients get the reason', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const tenant = await archivedTenant(fathom);
  const other = await archivedTenant(fathom, 'other');
  const { name } = tenant;
  const { url } = await fathom.client.databases.get(name);
  daemon.signal('SIGKILL');
  await daemon.exited;
  const response = await until(
    async () => {
      const answer = await fetch(`${url}/api/health`).catch(() => null);
      return answer?.status === 503 ? answer : null;
    },
    { what: 'an answer of the keeper' },
  );
  expect(await response.json()).toMatchObject({ data: { database: { code: 'archived' } } });
  expect(hasFiles(fathom, tenant)).toBe(false);
  await fathom.start();
  // It was wanted meanwhile; the other one was not.
  await untilInstance(fathom, name, ({ phase }) => phase === 'running', 'to run');
  expect(await fathom.client.databases.get(other.name)).toMatchObject({
    phase: 'asleep',
    reason: { code: 'archived' },
  });
  expect(await readAsOwner(fathom, other)).toEqual(KEPT);
});

it('names a target that is away, and comes back when it is there again', async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await archivedTenant(fathom);
  const target = join(fathom.dataDir, 'backups');
  await rename(target, `${target}-away`);
  const { url } = await fathom.client.databases.get(tenant.name);
  const waiting = fetch(`${url}/api/health`).catch(() => null);
  await untilInstance(
    fathom,
    tenant.name,
    ({ phase, reason }) => phase === 'backing_off' && reason?.code === 'archive_unavailable',
    'to name the reason',
  );
  expect(await (await waiting)?.json()).toMatchObject({
    message: expect.stringContaining('its backup cannot be read now') as string,
    data: { database: { code: 'archive_unavailable' } },
  });
  const browsed = () =>
    fathom.client.databases.collections(tenant.name).then(
      () => 'collections',
      (error: unknown) => messageOf(error),
    );
  await until(async () => (await browsed()).includes('(archived, and its backup cannot be read)'), {
    what: browsed,
  });
  await rename(`${target}-away`, target);
  await fathom.client.databases.start(tenant.name);
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
});

it('is named before a target without its backup is accepted', async () => {
  const fathom = await deployment();
  await fathom.start();
  const kept = await archivedTenant(fathom);
  const { acceptTarget } = fathom.client.backups;
  expect(await acceptTarget()).toEqual({ target: join(fathom.dataDir, 'backups') });
  // Also an archive whose own backup alone is lost.
  const lost = await archivedTenant(fathom);
  const target = join(fathom.dataDir, 'backups');
  await rename(join(target, 'manifests', lost.name), join(fathom.dataDir, 'away'));
  await expect(acceptTarget()).rejects.toMatchObject({
    code: 'missing_archives',
    message: textWith(lost.name, '--without-archives'),
    fields: [{ path: lost.name, code: 'missing_archive' }],
  });
  await rename(target, `${target}-away`);
  await mkdir(target);
  const refused = await acceptTarget().catch((error: unknown) => error as FathomError);
  expect('fields' in refused && refused.fields.map(({ path }) => path)).toEqual(
    [kept.name, lost.name].toSorted(),
  );
  const command = await fathomd(['backups', 'accept-target'], fathom);
  expect(command).toMatchObject({ exitCode: 1, stderr: textWith(kept.name, '--without-archives') });
  // Nothing was accepted: the target that has the backup is still the one of this host.
  await rm(target, { recursive: true });
  await rename(`${target}-away`, target);
  await fathom.client.databases.start(kept.name);
  expect(await readAsOwner(fathom, kept)).toEqual(KEPT);
  const accepted = await fathomd(['backups', 'accept-target', '--without-archives'], fathom);
  expect(accepted).toMatchObject({ exitCode: 0 });
});

it('comes back from the former target when BACKUP_TARGET is away, or has a damaged copy', async () => {
  const fathom = await deployment();
  const credentials = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
  let daemon = await fathom.start();
  const former = join(fathom.dataDir, 'backups');
  const [first, second, third] = [
    await archivedTenant(fathom, 'first'),
    await archivedTenant(fathom, 'second'),
    await archivedTenant(fathom, 'third'),
  ];
  const expectBack = async (tenant: Tenant) => {
    expect(await fathom.client.databases.wake(tenant.name)).toMatchObject({ phase: 'running' });
    expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
    expect(daemon.output()).toContain('read an archived database from a former target: BACKUP_TARGET: ');
  };
  await daemon.stop();
  const BACKUP_TARGET = `s3://bucket?endpoint=http://127.0.0.1:${await freePortRange(1)}`;
  daemon = await fathom.start({ BACKUP_TARGET, ...credentials });
  await rename(former, `${former}-away`);
  await fathom.client.databases.start(first.name).catch(() => null);
  expect((await fathom.client.databases.get(first.name)).reason).toMatchObject({
    code: 'archive_unavailable',
    message: textWith('BACKUP_TARGET: ', 's3://', `the former target ${former}: the target has no backup`),
  });
  await rename(`${former}-away`, former);
  // An attempt that began before may fail yet. The next one follows by itself.
  await untilInstance(fathom, first.name, ({ phase }) => phase === 'running', 'to run');
  await expectBack(first);

  await daemon.stop();
  const copy = join(fathom.filesDir, 'copy');
  await cp(former, copy, { recursive: true });
  for (const part of [`manifests/${second.name}`, `chunks/${third.name}`]) {
    const files = await readdir(join(copy, part), { recursive: true, withFileTypes: true });
    for (const file of files.filter((one) => one.isFile()))
      await truncate(join(file.parentPath, file.name), 10);
  }
  daemon = await fathom.start({ BACKUP_TARGET: copy });
  await expectBack(second);
  await expectBack(third);
});

it('can be deleted, brought back, restored and erased while it is archived', async () => {
  const fathom = await deployment({ DATABASE_TRASH_DAYS: '3' });
  await fathom.start();
  const tenant = await archivedTenant(fathom);
  const { name } = tenant;
  await fathom.client.databases.delete(name);
  expect(await fathom.client.trash.undelete(name)).toMatchObject({ phase: 'running' });
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);

  const { backup } = await fathom.client.databases.archive(name);
  expect(await fathom.client.backups.restore(name, backup, {})).toMatchObject({ phase: 'running' });
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);

  await fathom.client.databases.archive(name);
  await fathom.client.databases.delete(name);
  await fathom.client.trash.erase(name);
  await until(async () => (await fathom.client.trash.all()).length === 0, { what: 'the erasure to end' });
  expect(existsSync(directoryOf(fathom, name))).toBe(false);
  expect(existsSync(join(fathom.dataDir, 'backups', 'manifests', name))).toBe(false);
});

it('can be pinned while it is archived, and rollouts leave it out', async () => {
  const fathom = await deployment();
  await fathom.start();
  const { name } = await archivedTenant(fathom);
  expect(await fathom.client.databases.pin(name, { version: null })).toMatchObject({ phase: 'asleep' });
  await expect(fathom.client.migrations.plan({ databases: [name] })).rejects.toMatchObject({
    code: 'conflict',
  });
  expect(await fathom.client.databases.get(name)).toMatchObject({ reason: { code: 'archived' } });
});

it('refuses databases with files that no backup contains', async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await tenantWithDocument(fathom);
  const own = join(directoryOf(fathom, tenant.name), 'pb_data', 'backups');
  await mkdir(own, { recursive: true });
  await writeFile(join(own, 'mine.zip'), 'zip');
  await expect(fathom.client.databases.archive(tenant.name)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('pb_data/backups') as string,
  });
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
});
