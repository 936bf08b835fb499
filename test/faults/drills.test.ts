import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createRecoveryKey } from '../../daemon/backups/keys/recovery-key.ts';
import type { DatabaseBackups } from '../../shared/api/backups.ts';
import { damageChunks } from '../helpers/backups.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp, type Tenant } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { readMetric } from '../helpers/metrics.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { randomFrom } from '../helpers/random.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

async function stage(
  env: Record<string, string> = {},
): Promise<{ fathom: Deployment; daemon: Daemon; tenant: Tenant }> {
  const fathom = await deployment(env);
  const daemon = await fathom.start();
  const tenant = await signUp(fathom, 'ann');
  await addDocument(fathom, tenant, 'kept');
  return { fathom, daemon, tenant };
}

async function stateOf(fathom: Deployment, name: string): Promise<DatabaseBackups> {
  const found = (await fathom.client.backups.all()).find(({ database }) => database === name);
  return found ?? expect.fail(`${name} is not listed`);
}

/** Nothing of a drill is left. */
function expectNoCopies({ dataDir }: Deployment, { name }: Tenant): void {
  for (const directory of [join(dataDir, 'user_dbs', name), join(dataDir, 'global')])
    expect(existsSync(join(directory, 'drill'))).toBe(false);
}

it('proves the backups of a database and of the control plane, and the secrets', async () => {
  const { fathom, tenant } = await stage();
  const { name } = tenant;
  const run = (...args: string[]) => fathomd([...args, '--socket', fathom.socketPath]);
  expect(await run('backups', 'drill', name)).toMatchObject({
    exitCode: 1,
    stderr: textWith('no backup yet'),
  });
  const { backups } = fathom.client;
  const { recovery_key } = await backups.createRecoveryKey({ replace: false });
  expect((await run('backups', 'create', '--all')).exitCode).toBe(0);

  const before = await fathom.client.databases.get(name);
  const drilled = await backups.drill(name);
  const last = (await stateOf(fathom, name)).last?.id;
  expect(drilled).toMatchObject({ database: name, backup: last, problem: null });
  expect(drilled.files).toBeGreaterThanOrEqual(2);
  expect(drilled.rows).toBeGreaterThan(0);
  expect(await backups.drill('global')).toMatchObject({ problem: null });
  // It was not touched.
  const after = await fathom.client.databases.get(name);
  expect([after.started_at, after.restarts]).toEqual([before.started_at, before.restarts]);
  expectNoCopies(fathom, tenant);

  const keyFile = join(fathom.filesDir, 'key');
  await writeFile(keyFile, recovery_key);
  const proven = await run('backups', 'drill', '--recovery-key', keyFile);
  expect(proven).toMatchObject({ exitCode: 0, stdout: textWith('proven:', 'the recovery key opens them') });
  await writeFile(keyFile, createRecoveryKey().privateText);
  const other = await run('backups', 'drill', name, '--recovery-key', keyFile);
  expect(other).toMatchObject({ exitCode: 1, stderr: textWith('another recovery key') });

  expect(await stateOf(fathom, name)).toMatchObject({
    drill: { problem: null },
    proven: { backup: last },
  });
  const { drills } = (await fathom.client.daemon.status()).backups;
  expect(drills).toMatchObject({ failed: [], unproven: [], escrow: { problem: null }, running: null });
  expect(drills.next_at).not.toBeNull();
  expect(await readMetric(fathom, 'fathom_backup_last_drill_ok')).toBe('1');

  const escrow = join(fathom.dataDir, 'backups', 'escrow', 'secrets.json');
  const content = JSON.parse(await readFile(escrow, 'utf8')) as { sealed: string };
  const at = content.sealed.length - 12;
  const character = content.sealed[at] === 'A' ? 'B' : 'A';
  const sealed = content.sealed.slice(0, at) + character + content.sealed.slice(at + 1);
  await writeFile(escrow, JSON.stringify({ ...content, sealed }));
  expect((await backups.checkEscrow()).problem).toContain('was changed');
  await rm(escrow);
  // The check of the target stores it again.
  expect(await run('backups', 'drill', name)).toMatchObject({
    exitCode: 0,
    stdout: textWith('secrets: stored'),
  });
}, 240_000);

it('names a backup that cannot be restored, and proves the next one', async () => {
  const { fathom, tenant } = await stage();
  const { name } = tenant;
  const { backups } = fathom.client;
  await backups.create(name);
  expect((await backups.drill(name)).problem).toBeNull();
  const proven = (await stateOf(fathom, name)).proven;
  await addDocument(fathom, tenant, 'later');
  const { id } = await backups.create(name);
  await damageChunks(fathom, name, id);
  expect((await backups.drill(name)).problem).toContain('is damaged');
  expect(await stateOf(fathom, name)).toMatchObject({ drill: { backup: id }, proven });
  const status = await fathomd(['status', '--socket', fathom.socketPath]);
  expect(status.stdout).toContain(`no proven backup for ${name}`);
  expect(await readMetric(fathom, 'fathom_backup_last_drill_ok')).toBe('0');

  // The backup was verified by the drill, so the next one stores the parts again.
  expect(await backups.create(name, { only_changed: true })).toMatchObject({ changed: true });
  expect((await backups.drill(name)).problem).toBeNull();
  expect((await fathom.client.daemon.status()).backups.drills.failed).toEqual([]);
  expectNoCopies(fathom, tenant);
}, 240_000);

it('says nothing about a backup while the target is away', async () => {
  const { fathom, tenant } = await stage();
  const { name } = tenant;
  const { backups } = fathom.client;
  await backups.create(name);
  const target = join(fathom.dataDir, 'backups');
  await rename(target, `${target}-away`);
  await expect(backups.drill(name)).rejects.toThrow('not mounted');
  expect((await stateOf(fathom, name)).drill).toBeNull();
  await rename(`${target}-away`, target);
  expect((await backups.drill(name)).problem).toBeNull();
}, 240_000);

it.skipIf(!mayMount)(
  'says nothing about a backup while the disk is full',
  async () => {
    const fathom = await deployment({ DISK_RESERVE_MB: '0' });
    await mountTmpfs(fathom.dataDir, 192);
    await fathom.start();
    const tenant = await signUp(fathom, 'ann');
    const { backups } = fathom.client;
    await backups.create(tenant.name);
    const { bavail, bsize } = await statfs(fathom.dataDir);
    const filler = join(fathom.dataDir, 'filler');
    await writeFile(filler, Buffer.alloc(bavail * bsize - 8 * 1024 * 1024));
    await expect(backups.drill(tenant.name)).rejects.toThrow('no space');
    expect((await stateOf(fathom, tenant.name)).drill).toBeNull();
    expectNoCopies(fathom, tenant);
    await rm(filler);
    expect((await backups.drill(tenant.name)).problem).toBeNull();
  },
  240_000,
);

it('SIGKILL of the daemon during drills, beside a writer, leaves nothing and loses nothing', async () => {
  const seed = Number(process.env['FATHOM_DRILL_SEED'] ?? Date.now() % 1_000_000);
  console.log(`FATHOM_DRILL_SEED=${seed}`);
  const random = randomFrom(seed);
  const { fathom, tenant, ...first } = await stage();
  const { backups } = fathom.client;
  const written = ['kept'];
  await backups.create(tenant.name);
  await backups.create('global');
  const points = [
    () => existsSync(join(fathom.dataDir, 'user_dbs', tenant.name, 'drill')),
    () => existsSync(join(fathom.dataDir, 'user_dbs', tenant.name, 'drill', 'pb_data')),
    () => existsSync(join(fathom.dataDir, 'user_dbs', tenant.name, 'drill', 'lock')),
    () => existsSync(join(fathom.dataDir, 'global', 'drill', 'lock')),
  ];
  const hits: number[] = [];
  let { daemon } = first;
  for (let round = 0; round < 6; round += 1) {
    const point = Math.floor(random() * points.length);
    let hasEnded = false;
    const drilling = backups
      .drill(point === 3 ? 'global' : tenant.name)
      .catch(() => null)
      .finally(() => {
        hasEnded = true;
      });
    const title = `round ${round}`;
    await addDocument(fathom, tenant, title);
    written.push(title);
    await until(() => hasEnded || points[point]?.() === true, { what: `point ${point} of a drill` });
    if (!hasEnded) hits.push(point);
    daemon.signal('SIGKILL');
    await daemon.exited;
    await drilling;
    daemon = await fathom.start();
    expectNoCopies(fathom, tenant);
  }
  console.log(`killed at the points ${hits.join(', ')}`);
  expect((await readAsOwner(fathom, tenant)).map(([title]) => title)).toEqual(written);
  await backups.create(tenant.name);
  for (const name of [tenant.name, 'global']) expect((await backups.drill(name)).problem).toBeNull();
  expect(await readdir(join(fathom.dataDir, 'user_dbs', tenant.name))).not.toContain('drill');
}, 400_000);

it('makes drills by itself', async () => {
  const { fathom, tenant } = await stage({ BACKUP_DRILLS: '* * * * *' });
  await fathom.client.backups.createRecoveryKey({ replace: false });
  for (const name of [tenant.name, 'global']) await fathom.client.backups.create(name);
  await until(
    async () => {
      const states = await Promise.all([tenant.name, 'global'].map((name) => stateOf(fathom, name)));
      return states.every(({ proven }) => proven !== null);
    },
    { what: 'drills of all databases', timeoutMs: 200_000 },
  );
  const { drills } = (await fathom.client.daemon.status()).backups;
  expect(drills.escrow).toMatchObject({ problem: null });
}, 300_000);
