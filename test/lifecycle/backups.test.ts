import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEscrow } from '../../daemon/backups/keys/escrow.ts';
import { readDataKey } from '../../daemon/backups/keys/stored-keys.ts';
import { listBackups, readManifest } from '../../daemon/backups/manifest.ts';
import { restoreBackup } from '../../daemon/backups/restore-backup.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Backup, DatabaseBackups } from '../../shared/api/backups.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { call, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { listAll } from '../helpers/target-conformance.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let ann: Session;
let beth: Session;
let target: DirectoryTarget;

beforeAll(async () => {
  fathom = await createDeployment({ SERVER_HOST: '127.0.0.1', AUDIT_RETENTION_DAYS: '1' });
  daemon = await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
  beth = await signUp(fathom.url, 'beth@example.com');
  target = new DirectoryTarget(join(fathom.dataDir, 'backups'));
});

afterAll(() => fathom.dispose());

const run = (...args: string[]) => fathomd([...args, '--socket', fathom.socketPath]);

const chunks = async () => (await listAll(target, 'chunks/')).length;

const stateOf = async (name: string): Promise<DatabaseBackups> => {
  const found = (await fathom.client.backups.all()).find(({ database }) => database === name);
  return found ?? expect.fail(`${name} is not listed`);
};

async function write(session: Session, title: string): Promise<void> {
  const { status } = await call('POST', `${session.database.url}/api/collections/documents/records`, {
    headers: { authorization: session.database.token },
    body: { title },
  });
  expect(status).toBe(200);
}

/** Restores the newest backup of a database with the recovery key. @returns its directory */
async function restoreLatest(database: string, recoveryKey: string): Promise<string> {
  const key = await readDataKey(target, database, { recoveryKey });
  const id = (await listBackups(target, database)).at(-1) ?? expect.fail('there is no backup');
  const directory = join(fathom.filesDir, `restored-${database}-${id}`);
  await restoreBackup(await readManifest(target, key, { database, id }), { target, key, directory });
  return directory;
}

describe('the recovery key', () => {
  it('is shown once', async () => {
    const { stdout, stderr, exitCode } = await run('backups', 'recovery-key');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^FATHOM-RECOVERY-1-[\w-]{43}$/);
    expect(stderr).toContain('outside of this host');
    const again = await run('backups', 'recovery-key');
    expect(again.exitCode).toBe(1);
    expect(again.stdout).toBe('');
    expect(again.stderr).toContain('--replace');
    const escrow = await readEscrow(target, stdout);
    expect(escrow).toMatchObject({
      AES_MASTER_KEY: fathom.env['AES_MASTER_KEY'],
      JWT_SECRET: fathom.env['JWT_SECRET'],
      PB_ENCRYPTION_KEY: fathom.env['PB_ENCRYPTION_KEY'],
    });
    expect((await fathom.client.daemon.status()).backups.recovery_key).toBe(true);
    const { items } = await fathom.client.audit.list({ action: 'backup.recovery-key' });
    expect(items.map(({ outcome }) => outcome)).toEqual(['failed', 'ok']);
    expect(JSON.stringify(items)).not.toContain('FATHOM-RECOVERY');
    // Neither the log nor a file of the host has it.
    expect(daemon.output()).not.toContain(stdout);
  });

  it('that replaces another opens all backups and the escrow, and the former one opens none', async () => {
    const { name } = ann.database;
    await fathom.client.backups.create(name);
    const first = (await fathom.client.backups.createRecoveryKey({ replace: true })).recovery_key;
    await restoreLatest(name, first);
    const second = await fathom.client.backups.createRecoveryKey({ replace: true });
    expect(second.problem).toBeNull();
    await expect(restoreLatest(name, first)).rejects.toThrow('another recovery key');
    await rm(join(fathom.filesDir, `restored-${name}-${(await listBackups(target, name)).at(-1)}`), {
      recursive: true,
    });
    await restoreLatest(name, second.recovery_key);
    await expect(readEscrow(target, first)).rejects.toThrow('another recovery key');
    expect(await readEscrow(target, second.recovery_key)).toHaveProperty('AES_MASTER_KEY');
  });
});

describe('a backup on demand', () => {
  it('has what was acknowledged before', async () => {
    const { name } = ann.database;
    await write(ann, 'before the backup');
    const { stdout, exitCode } = await run('backups', 'create', name);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(name)]);
    const { recovery_key } = await fathom.client.backups.createRecoveryKey({ replace: true });
    const directory = await restoreLatest(name, recovery_key);
    const titles = withDatabase(join(directory, 'data.db'), { readOnly: true }, (database) =>
      database.prepare('SELECT title FROM documents').all(),
    );
    expect(titles.map(({ title }) => title)).toContain('before the backup');
    const [newest] = (await fathom.client.backups.ofDatabase(name)).items;
    expect(newest?.id).toBe((await stateOf(name)).last?.id);
  });

  it('does not wake a sleeping database, and stores nothing of an unchanged one', async () => {
    const { name } = beth.database;
    await fathom.client.databases.sleep(name, { force: true });
    const before = await fathom.client.databases.get(name);
    expect(before.phase).toBe('asleep');
    const first = await fathom.client.backups.create(name);
    expect(first).toMatchObject({ changed: true, stored_bytes: expect.any(Number) as number });
    const stored = await chunks();
    const second = await fathom.client.backups.create(name, { only_changed: true });
    expect(second).toMatchObject({ changed: false, id: first.id });
    const third = await fathom.client.backups.create(name);
    expect(third).toMatchObject({ changed: true, stored_bytes: 0 });
    expect(await chunks()).toBe(stored);
    const after = await fathom.client.databases.get(name);
    expect([after.phase, after.restarts, after.started_at]).toEqual([
      'asleep',
      before.restarts,
      before.started_at,
    ]);
  });

  it('of everything covers the control plane, and its audit log can be verified', async () => {
    const { recovery_key } = await fathom.client.backups.createRecoveryKey({ replace: true });
    const { stdout, exitCode } = await run('backups', 'create', '--all', '--json');
    expect(exitCode).toBe(0);
    const results = JSON.parse(stdout) as { database: string; problem: string | null }[];
    expect(results.map(({ database }) => database).at(-1)).toBe('global');
    expect(results.every(({ problem }) => problem === null)).toBe(true);
    const directory = await restoreLatest('global', recovery_key);
    const settings = JSON.parse(await readFile(join(directory, 'settings.json'), 'utf8')) as object;
    expect(settings).toMatchObject({ SERVER_HOST: '127.0.0.1', FATHOM_DATA_DIR: fathom.dataDir });
    expect(JSON.stringify(settings)).not.toContain(fathom.env['AES_MASTER_KEY']);
    const head = JSON.parse(await readFile(join(directory, 'audit-head.json'), 'utf8')) as { seq: number };
    const rows = withDatabase(join(directory, 'data.db'), { readOnly: true, isTrusted: true }, (database) =>
      database.prepare('SELECT max(seq) AS seq FROM audit_log').all(),
    );
    expect(head.seq).toBeGreaterThan(0);
    expect(rows[0]?.['seq']).toBeGreaterThanOrEqual(head.seq);
  });

  it('of a database that does not exist is refused', async () => {
    const { exitCode, stderr } = await run('backups', 'create', '2024-01-15-001-nobody');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('2024-01-15-001-nobody')]);
    expect((await run('backups', 'create')).exitCode).toBe(2);
    expect((await run('backups', 'create', 'global', '--all')).exitCode).toBe(2);
  });
});

const path = (name: string) => `${fathom.url}/api/v1/databases/${name}/backups`;

describe('permissions', () => {
  it('let owners list and make backups of their own database only', async () => {
    const [own, other] = [ann.database.name, beth.database.name];
    const { token } = ann;
    expect((await call('POST', path(own), { token })).status).toBe(201);
    const listed = await call<{ items: Backup[] }>('GET', path(own), { token });
    expect(listed.body.items.length).toBeGreaterThan(0);
    for (const name of [other, 'global']) {
      expect((await call('GET', path(name), { token })).status).toBe(403);
      expect((await call('POST', path(name), { token })).status).toBe(403);
    }
    const fleet = await call<{ items: DatabaseBackups[] }>('GET', `${fathom.url}/api/v1/backups`, { token });
    expect(fleet.body.items.map(({ database }) => database)).toEqual([own]);
    for (const action of ['recovery-key', 'accept-target'])
      expect((await call('POST', `${fathom.url}/api/v1/backups/${action}`, { token })).status).toBe(403);
  });

  it('let owners make as many backups as their plan allows, and count only those that were made', async () => {
    const [own, { token }] = [ann.database.name, ann];
    const create = async () => (await call<{ changed: boolean }>('POST', path(own), { token })).body.changed;
    await fathom.client.plans.set('default', { backups_per_day: 2 });
    while (await create()) await write(ann, 'changed');
    const refused = await call<{ code: string }>('POST', path(own), { token });
    expect([await create(), refused.status]).toEqual([false, 201]);
    await write(ann, 'changed again');
    await fathom.client.plans.set('default', { backups_per_day: 0 });
    expect((await call('POST', path(own), { token })).status).toBe(409);
    // Administrators are not limited.
    await fathom.client.backups.create(own, {});
    await fathom.client.plans.delete('default');
  });

  it('record who made a backup', async () => {
    const { name } = ann.database;
    const { items } = await fathom.client.audit.list({ action: 'backup.create', target: name });
    expect(items.some(({ actor, outcome }) => actor === ann.user.id && outcome === 'ok')).toBe(true);
    expect((await call('GET', `${fathom.url}/api/v1/backups`, { token: admin })).status).toBe(200);
  });
});

it('metrics show results and the age, and the status names the target', async () => {
  const metrics = await fathom.client.daemon.metrics();
  const value = (name: string) =>
    Number(
      metrics
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1],
    );
  expect(value('fathom_backups_total{result="made"}')).toBeGreaterThan(3);
  expect(value('fathom_backup_stored_bytes_total')).toBeGreaterThan(10_000);
  expect(value('fathom_backup_age_seconds')).toBeLessThan(600);
  expect(value('fathom_backup_late_databases')).toBe(0);
  expect((await run('status')).stdout).toContain(join(fathom.dataDir, 'backups'));
});

it('a restart of the daemon keeps what is known about the last backups', async () => {
  const before = await fathom.client.backups.all();
  daemon.signal('SIGKILL');
  await daemon.exited;
  daemon = await fathom.start();
  await until(async () => (await fathom.client.daemon.status()).backups.recovery_key === true, {
    what: 'the recovery key to be known',
  });
  expect(await fathom.client.backups.all()).toEqual(before);
  expect((await stat(join(fathom.dataDir, 'backup-state.json'))).mode & 0o777).toBe(0o600);
});
