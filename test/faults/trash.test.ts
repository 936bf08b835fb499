import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { readDataKey } from '../../daemon/backups/keys/stored-keys.ts';
import { listBackups, readManifest } from '../../daemon/backups/manifest.ts';
import { restoreBackup } from '../../daemon/backups/restore-backup.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import type { DeletedDatabase } from '../../shared/api/trash.ts';
import { parseDatabaseName } from '../../shared/database-name.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { PASSWORD, signUp, type Tenant } from '../helpers/fleet-actions.ts';
import { controlPlane, databaseRows } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, signUp as signUpAs } from '../helpers/http-call.ts';
import { readMetric } from '../helpers/metrics.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { randomFrom } from '../helpers/random.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const ROUNDS = Number(process.env['FATHOM_TRASH_KILLS'] ?? 12);
const TRASH = { DATABASE_TRASH_DAYS: '3' };

const trashed = async (fathom: Deployment, name: string) =>
  (await fathom.client.trash.all()).find((one) => one.name === name) ?? null;

const pendingMetric = (fathom: Deployment) => readMetric(fathom, 'fathom_erasures_pending');

const erasureFindings = async (fathom: Deployment) =>
  (await doctorFindings(fathom)).filter(({ id }) => id === 'erasures');

const isListed = async (fathom: Deployment, name: string) =>
  (await fathom.client.databases.all()).some((one) => one.name === name);

const signInStatus = async (fathom: Deployment, email: string) =>
  (await call('POST', `${fathom.url}/api/v1/auth/login`, { body: { email, password: PASSWORD } })).status;

const numberOf = (name: string) => parseDatabaseName(name)?.number ?? 0;

async function userIdOf(fathom: Deployment, email: string): Promise<string> {
  const { items } = await fathom.client.users.list({ email });
  return items[0]?.id ?? '';
}

/** The database works, and has what was written to it. */
async function expectServing(fathom: Deployment, tenant: Tenant): Promise<void> {
  expect(await trashed(fathom, tenant.name)).toBeNull();
  const session = await fathom.client.auth.login({ email: tenant.email, password: PASSWORD });
  expect(session.database?.name).toBe(tenant.name);
  expect(await readAsOwner(fathom, tenant)).toEqual([['kept', 'file of kept']]);
}

async function expectTrashed(fathom: Deployment, tenant: Tenant): Promise<void> {
  expect(await trashed(fathom, tenant.name)).toMatchObject({ state: 'deleted', problem: null });
  expect(await isListed(fathom, tenant.name)).toBe(false);
  expect(await signInStatus(fathom, tenant.email)).toBe(403);
}

async function expectErased(fathom: Deployment, tenant: Tenant): Promise<void> {
  await until(async () => (await trashed(fathom, tenant.name)) === null, { what: 'the erasure to end' });
  expect(await isListed(fathom, tenant.name)).toBe(false);
  expect(existsSync(join(fathom.dataDir, 'user_dbs', tenant.name))).toBe(false);
  for (const part of [`keys/${tenant.name}.json`, `manifests/${tenant.name}`, `chunks/${tenant.name}`])
    expect(existsSync(join(fathom.dataDir, 'backups', part)), part).toBe(false);
  expect(await userIdOf(fathom, tenant.email)).toBe('');
  expect(await signInStatus(fathom, tenant.email)).toBe(401);
}

it('SIGKILL of the daemon leaves a deletion, its undoing and an erasure done or not begun', async () => {
  const seed = Number(process.env['FATHOM_TRASH_SEED'] ?? Date.now() % 1_000_000);
  console.log(`FATHOM_TRASH_SEED=${seed}`);
  const random = randomFrom(seed);
  const fathom = await deployment(TRASH);
  let daemon = await fathom.start();
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const kill = async (work: () => Promise<unknown>) => {
    const answer = work().catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 250)));
    daemon.signal('SIGKILL');
    await Promise.all([daemon.exited, answer]);
    daemon = await fathom.start();
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const tenant = await signUp(fathom, `kill-${round}`);
    await addDocument(fathom, tenant, 'kept');
    await fathom.client.backups.create(tenant.name);
    const user = await userIdOf(fathom, tenant.email);

    await kill(() => fathom.client.users.delete(user));
    if (await isListed(fathom, tenant.name)) {
      count('not deleted');
      await expectServing(fathom, tenant);
      await fathom.client.users.delete(user);
    } else count('deleted');
    await expectTrashed(fathom, tenant);

    if (round % 2 === 0) {
      await kill(() => fathom.client.trash.undelete(tenant.name));
      const isBack = await isListed(fathom, tenant.name);
      count(isBack ? 'undeleted' : 'not undeleted');
      if (!isBack) await fathom.client.trash.undelete(tenant.name);
      await expectServing(fathom, tenant);
      await fathom.client.users.delete(user);
      await expectTrashed(fathom, tenant);
    }

    await kill(() => fathom.client.trash.erase(tenant.name));
    const left = await trashed(fathom, tenant.name);
    count(left?.state === 'deleted' ? 'not erased' : 'erased');
    if (left?.state === 'deleted') await fathom.client.trash.erase(tenant.name);
    await expectErased(fathom, tenant);
  }
  console.log(`${ROUNDS} rounds: ${JSON.stringify(counts)}`);
}, 600_000);

it('an erasure waits for a target that is away, over restarts, and says why', async () => {
  const outside = await scratch();
  const target = join(outside, 'target');
  await mkdir(target);
  const fathom = await deployment({ ...TRASH, BACKUP_TARGET: target });
  const daemon = await fathom.start();
  const tenant = await signUp(fathom, 'away');
  await addDocument(fathom, tenant, 'kept');
  await fathom.client.backups.create(tenant.name);
  await fathom.client.users.delete(await userIdOf(fathom, tenant.email));
  await rename(target, join(outside, 'away'));
  await fathom.client.trash.erase(tenant.name);
  const pending = () => trashed(fathom, tenant.name);
  await until(async () => Boolean((await pending())?.problem), { what: 'the reason' });
  expect(await pending()).toMatchObject({
    state: 'erasure_pending',
    account: true,
    problem: { reason: 'target_away' },
  });
  expect((await fathom.client.daemon.status()).trash).toMatchObject({ erasures_pending: 1 });
  expect(await pendingMetric(fathom)).toBe('1');
  expect(await erasureFindings(fathom)).toMatchObject([
    { level: 'warning', summary: textWith(tenant.name, 'mount or start the target') },
  ]);
  const shown = await fathomd(['status', '--socket', fathom.socketPath]);
  expect(shown.stdout).toEqual(textWith(tenant.name, 'mount or start the target'));
  expect(existsSync(join(fathom.dataDir, 'user_dbs', tenant.name))).toBe(false);
  await daemon.stop();
  await fathom.start();
  expect(await pending()).toMatchObject({ state: 'erasure_pending' });
  expect(await pendingMetric(fathom)).toBe('1');
  await rm(target, { recursive: true, force: true });
  await rename(join(outside, 'away'), target);
  await daemon.exited;
  const next = await fathom.client.daemon.status();
  process.kill(next.pid, 'SIGTERM');
  await until(() => Promise.resolve(!existsSync(join(fathom.dataDir, 'run', 'fathomd.sock'))), {
    what: 'its end',
  });
  await fathom.start();
  await until(async () => (await pending()) === null, { what: 'the erasure to end' });
  expect(await readdir(join(target, 'keys'))).not.toContain(`${tenant.name}.json`);
  expect(await pendingMetric(fathom)).toBe('0');
  expect(await erasureFindings(fathom)).toEqual([]);
  expect((await fathom.client.daemon.status()).trash).toMatchObject({ erasures_pending: 0, problem: null });
}, 180_000);

it('a deletion that ends at the next start shows its erasure as soon as the daemon is ready', async () => {
  const outside = await scratch();
  const target = join(outside, 'target');
  await mkdir(target);
  const fathom = await deployment({ ...TRASH, BACKUP_TARGET: target });
  const daemon = await fathom.start();
  const tenant = await signUp(fathom, 'interrupted');
  await fathom.client.backups.create(tenant.name);
  await rename(target, join(outside, 'away'));
  const [row] = await databaseRows(fathom);
  await (await controlPlane(fathom))
    .collection('user_databases')
    .update(row?.id ?? '', { state: 'deleting' });
  daemon.signal('SIGKILL');
  await daemon.exited;
  fathom.launch();
  // The very first answer: one request after the other, without a pause.
  let answer: DeletedDatabase[] | null = null;
  while (answer === null) answer = await fathom.client.trash.all().catch(() => null);
  expect(answer).toMatchObject([{ name: tenant.name, state: 'erasure_pending' }]);
});

it('a restored host has its trash, and nothing of what was erased', async () => {
  const fathom = await deployment(TRASH);
  const daemon = await fathom.start();
  const ann = await signUp(fathom, 'ann');
  const ben = await signUp(fathom, 'ben');
  for (const tenant of [ann, ben]) await addDocument(fathom, tenant, 'kept');
  const secret = 'a title of ben that must not be read again';
  await addDocument(fathom, ben, secret);
  const outside = await scratch();
  const keyFile = join(outside, 'recovery-key.txt');
  const recoveryKey = (await fathomd(['backups', 'recovery-key', '--socket', fathom.socketPath])).stdout;
  await writeFile(keyFile, recoveryKey, { mode: 0o600 });
  await fathom.client.users.delete(await userIdOf(fathom, ann.email));
  const { erase_at } = (await trashed(fathom, ann.name)) ?? {};
  const created = await fathomd(['backups', 'create', '--all', '--socket', fathom.socketPath]);
  expect([created.exitCode, created.stderr]).toEqual([0, '']);
  // A copy of the backups, such as former versions of the objects.
  const copy = join(outside, 'copy');
  await cp(join(fathom.dataDir, 'backups'), copy, { recursive: true });

  // After the backup of the control plane.
  await fathom.client.users.delete(await userIdOf(fathom, ben.email));
  await fathom.client.trash.erase(ben.name);
  await expectErased(fathom, ben);
  const dan = await signUp(fathom, 'dan');
  const target = join(outside, 'target');
  await cp(join(fathom.dataDir, 'backups'), target, { recursive: true });
  await daemon.stop();
  for (const entry of await readdir(fathom.dataDir))
    await rm(join(fathom.dataDir, entry), { recursive: true });
  for (const name of ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'])
    delete fathom.env[name];

  // Nothing on the target opens the data, also not with the parts from a copy. Backups of the control plane never had it.
  await rm(join(copy, 'keys', `${ben.name}.json`));
  for (const directory of [target, copy]) {
    const place = new DirectoryTarget(directory);
    await expect(readDataKey(place, ben.name, { recoveryKey })).rejects.toThrow('erased');
    const key = await readDataKey(place, 'global', { recoveryKey });
    for (const id of await listBackups(place, 'global')) {
      const restored = join(await scratch(), 'control-plane');
      const backup = await readManifest(place, key, { database: 'global', id });
      await restoreBackup(backup, { target: place, key, directory: restored });
      expect((await readFile(join(restored, 'data.db'))).includes(ben.email)).toBe(true);
      expect((await readFile(join(restored, 'data.db'))).includes(secret)).toBe(false);
    }
  }
  expect(await readdir(join(target, 'manifests'))).not.toContain(ben.name);
  expect(await readdir(join(target, 'chunks'))).not.toContain(ben.name);

  const restored = await runInProcess(
    ['restore', '--from', target, '--recovery-key', keyFile, '--data-dir', fathom.dataDir],
    { cwd: '/', env: fathom.env },
  );
  expect(restored).toMatchObject({ code: 0 });
  await fathom.start();
  expect(await trashed(fathom, ann.name)).toMatchObject({ state: 'deleted', account: true, erase_at });
  expect(await signInStatus(fathom, ann.email)).toBe(403);
  await fathom.client.trash.undelete(ann.name);
  await expectServing(fathom, ann);
  expect(await userIdOf(fathom, ben.email)).toBe('');
  expect(await isListed(fathom, ben.name)).toBe(false);
  expect(await trashed(fathom, ben.name)).toMatchObject({ state: 'erasure_pending' });
  await fathom.client.backups.acceptTarget();

  // The number of a database that was lost is not given again.
  const eve = await signUpAs(fathom.url, 'dan@example.com');
  expect(numberOf(eve.database.name)).toBeGreaterThan(numberOf(dan.name) + 900);
}, 240_000);

it('a deletion that meets a restore or a backup has happened or not', async () => {
  const fathom = await deployment(TRASH);
  await fathom.start();
  const tenant = await signUp(fathom, 'meets');
  await addDocument(fathom, tenant, 'kept');
  const { id } = await fathom.client.backups.create(tenant.name);
  const outcomes: string[] = [];
  for (const work of ['restore', 'backup', 'restore', 'start'] as const) {
    const other =
      work === 'restore'
        ? fathom.client.backups.restore(tenant.name, id, {})
        : work === 'backup'
          ? fathom.client.backups.create(tenant.name)
          : fathom.client.databases.restart(tenant.name);
    const [, deletion] = await Promise.allSettled([other, fathom.client.databases.delete(tenant.name)]);
    outcomes.push(`${work}: ${deletion.status}`);
    if (deletion.status === 'rejected') expect(deletion.reason).toMatchObject({ code: 'conflict' });
    else {
      await expectTrashed(fathom, tenant);
      await fathom.client.trash.undelete(tenant.name);
    }
    await expectServing(fathom, tenant);
  }
  console.log(outcomes.join(', '));
}, 180_000);

it.each(["o'brien+tag", 'a.b.c', 'x'.repeat(60), '123', '-rf'])(
  'a database of the address %s@… is deleted, brought back and erased',
  async (local) => {
    const fathom = await deployment(TRASH);
    await fathom.start();
    const { database } = await signUpAs(fathom.url, `${local}@example.com`);
    const run = (args: string[]) =>
      fathomd([...args, '--socket', fathom.socketPath], { input: `${database.name}\n` });
    for (const action of ['delete', 'undelete', 'delete', 'erase'])
      expect((await run(['databases', action, database.name])).exitCode, action).toBe(0);
    expect((await run(['databases', 'undelete', '../../global'])).exitCode).toBe(2);
    await until(async () => (await trashed(fathom, database.name)) === null, { what: 'the erasure to end' });
  },
  120_000,
);

it.skipIf(!mayMount)(
  'a full disk delays neither a deletion nor an erasure',
  async () => {
    const disk = await scratch();
    await mountTmpfs(disk, 48);
    const fathom = await deployment({ ...TRASH, PB_USER_DBS_PATH: disk });
    await fathom.start();
    const tenant = await signUp(fathom, 'full');
    await addDocument(fathom, tenant, 'kept');
    const { bavail, bsize } = await statfs(disk);
    await execa('fallocate', ['-l', String(bavail * bsize), join(disk, 'filler')]);
    await fathom.client.databases.delete(tenant.name);
    await expectTrashed(fathom, tenant);
    await fathom.client.trash.erase(tenant.name);
    await until(async () => (await trashed(fathom, tenant.name)) === null, { what: 'the erasure to end' });
    expect(await readdir(disk)).not.toContain(tenant.name);
  },
  120_000,
);
