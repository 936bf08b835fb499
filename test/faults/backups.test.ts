import { randomBytes } from 'node:crypto';
import { cp, mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { readDataKey } from '../../daemon/backups/keys/stored-keys.ts';
import { listBackups, readManifest } from '../../daemon/backups/manifest.ts';
import { restoreBackup } from '../../daemon/backups/restore-backup.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { keyId } from '../../daemon/keys/derived-keys.ts';
import { targetOf } from '../helpers/backups.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { scratch } from '../helpers/scratch.ts';
import { listAll } from '../helpers/target-conformance.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const ROUNDS = 4;
const SECRETS = ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'];

it('a daemon that is killed in a backup leaves complete backups only, and the next one continues', async () => {
  const fathom = await deployment({ BACKUP_SCHEDULE: '* * * * *' });
  let daemon = await fathom.start();
  const { name } = await signUp(fathom, 'ann');
  const dataDir = join(fathom.dataDir, 'user_dbs', name, 'pb_data');
  const target = targetOf(fathom);
  using data = new DatabaseSync(join(dataDir, 'data.db'), { timeout: 10_000 });
  data.exec('CREATE TABLE IF NOT EXISTS kept (round INTEGER, x BLOB)');
  const master = Buffer.from(fathom.env['AES_MASTER_KEY'] ?? '', 'base64');
  const restore = async (id: string, label: string): Promise<string> => {
    const key = await readDataKey(target, name, { masters: [{ id: keyId(master), key: master }] });
    const directory = join(fathom.filesDir, label);
    const backup = await readManifest(target, key, { database: name, id });
    await restoreBackup(backup, { target, key, directory });
    return directory;
  };

  for (let round = 0; round < ROUNDS; round += 1) {
    for (let row = 0; row < 12; row += 1)
      data.prepare('INSERT INTO kept VALUES (?, ?)').run(round, randomBytes(1_000_000));
    const before = (await listAll(target, 'chunks/')).length;
    const attempt = fathom.client.backups.create(name).catch(() => null);
    await until(async () => (await listAll(target, 'chunks/')).length > before + 3, {
      what: 'a part of the backup',
    });
    daemon.signal('SIGKILL');
    await daemon.exited;
    await attempt;
    daemon = await fathom.start();
    for (const id of await listBackups(target, name)) await restore(id, `${round}-${id}`);
  }
  const made = await fathom.client.backups.create(name);
  const directory = await restore(made.id, 'last');
  using restored = new DatabaseSync(join(directory, 'data.db'));
  expect(restored.prepare('SELECT count(*) AS n FROM kept').get()).toEqual({ n: 12 * ROUNDS });
  // Copies of the daemons that were killed are gone.
  await expect(stat(join(fathom.dataDir, 'backup-scratch', name))).rejects.toThrow('ENOENT');
}, 300_000);

it('a target that is away is named, and not taken for one without backups', async () => {
  const fathom = await deployment();
  await fathom.start();
  const { name } = await signUp(fathom);
  const { backups } = fathom.client;
  expect((await backups.ofDatabase(name, {})).items).toEqual([]);
  const { id } = await backups.create(name);
  const target = join(fathom.dataDir, 'backups');
  await rename(target, `${target}-away`);
  const expectAway = async () => {
    for (const ask of [
      () => backups.ofDatabase(name, {}),
      () => backups.restore(name, 'latest', {}),
      () => backups.restore(name, id, {}),
    ])
      await expect(ask()).rejects.toMatchObject({
        code: 'backup.failed',
        message: textWith('target_away', 'accept-target'),
      });
  };
  await expectAway();
  // Its directory without the disk.
  await mkdir(target);
  await expectAway();
  await rm(target, { recursive: true });
  await rename(`${target}-away`, target);
  expect((await backups.ofDatabase(name, {})).items).toMatchObject([{ id }]);
  await expect(backups.restore(name, `${id}x`, {})).rejects.toMatchObject({ code: 'not_found' });
  expect(await backups.restore(name, 'latest', {})).toMatchObject({ backup: id });
});

it('two hosts with the same target do not remove the backups of each other', async () => {
  const BACKUP_TARGET = join(await scratch(), 'target');
  const [first, second] = [await deployment({ BACKUP_TARGET }), await deployment({ BACKUP_TARGET })];
  for (const fathom of [first, second]) await fathom.start();
  const target = new DirectoryTarget(BACKUP_TARGET);
  await first.client.backups.create('global');
  const before = await listAll(target, '');
  // Both have a control plane of the same name, and other keys.
  for (const refused of [second.client.backups.create('global'), second.client.backups.prune('global', {})])
    await expect(refused).rejects.toThrow('target_foreign');
  expect(await listAll(target, '')).toEqual(before);
  const [failure] = (await second.client.daemon.status()).backups.failures;
  expect(failure).toMatchObject({ reason: 'target_foreign', remedy: textWith('accept-target') });
  expect(await first.client.backups.create('global')).toMatchObject({ changed: true });
});

it('of a host and its copy, only the daemon that was started last writes to the target', async () => {
  const BACKUP_TARGET = join(await scratch(), 'target');
  const original = await deployment({ BACKUP_TARGET });
  const daemon = await original.start();
  await original.client.backups.create('global');
  await daemon.stop();
  const secrets = SECRETS.map((name) => [name, original.env[name] ?? '']);
  const copy = await deployment({ BACKUP_TARGET, ...Object.fromEntries(secrets) });
  await rm(copy.dataDir, { recursive: true });
  await cp(original.dataDir, copy.dataDir, { recursive: true });
  await original.start();
  await original.client.backups.create('global');
  await copy.start();
  await copy.client.backups.create('global');
  const target = new DirectoryTarget(BACKUP_TARGET);
  const before = await listAll(target, '');
  for (const refused of [
    original.client.backups.create('global'),
    original.client.backups.prune('global', {}),
    original.client.backups.verify('global', {}),
  ])
    await expect(refused).rejects.toThrow('target_foreign');
  expect(await listAll(target, '')).toEqual(before);
  const [failure] = (await original.client.daemon.status()).backups.failures;
  expect(failure).toMatchObject({ reason: 'target_foreign', remedy: textWith('backup-host.json') });
  await original.client.backups.acceptTarget();
  expect(await original.client.backups.create('global')).toMatchObject({ changed: true });
  await expect(copy.client.backups.create('global')).rejects.toThrow('target_foreign');
});
