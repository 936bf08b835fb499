import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { readEscrow, storeEscrow } from './keys/escrow.ts';
import { createRecoveryKey } from './keys/recovery-key.ts';
import { ensureDataKey } from './keys/stored-keys.ts';
import { CONTROL_PLANE } from './manifest.ts';
import { restoreBackup } from './restore-backup.ts';
import { DirectoryTarget } from './targets/directory-target.ts';
import { openTarget } from './targets/open-target.ts';
import { writeBackup } from './write-backup.ts';

const MASTER = { id: 'abcd1234', key: randomBytes(32) };
const RECOVERY = createRecoveryKey();
const SECRETS = { AES_MASTER_KEY: 'a key', JWT_SECRET: 'a secret of sessions' };

let root: string;
beforeEach(async () => {
  root = await scratch();
});

it('a backup of the control plane has the audit log and the settings', async () => {
  const dataDir = join(root, 'global', 'pb_data');
  await mkdir(dataDir, { recursive: true });
  await mkdir(join(root, 'audit'));
  const archive = join('audit', '000000000001-2024-01.jsonl');
  await writeFile(join(root, archive), 'a row\n');
  await writeFile(join(root, 'audit-head.json'), '{"seq":1}');
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY)');
  const target = openTarget(join(root, 'target'));
  const key = await ensureDataKey(target, CONTROL_PLANE, { masters: [MASTER], recovery: null });
  const settings = { SERVER_PORT: '3100' };
  const source = {
    database: CONTROL_PLANE,
    dataDir,
    scratchDir: join(root, 'scratch'),
    controlPlane: { hostDir: root, settings },
  };
  const now = new Date(Date.UTC(2024, 0, 15));
  const first = await writeBackup(source, { target, key, previous: null, now });
  // Of the same size, as no row of the log ever is, and read anyway.
  await writeFile(join(root, archive), 'a ROW\n');
  const { backup } = await writeBackup(source, { target, key, previous: first.backup, now });
  expect(backup.files.map(({ path }) => path)).toEqual([
    'audit-head.json',
    'settings.json',
    'data.db',
    archive,
  ]);
  const directory = join(root, 'restored');
  await restoreBackup(backup, { target, key, directory });
  const restored = (path: string) => readFile(join(directory, path), 'utf8');
  expect(await restored(archive)).toBe('a ROW\n');
  expect(await restored('audit-head.json')).toBe('{"seq":1}');
  expect(JSON.parse(await restored('settings.json'))).toEqual(settings);
});

it('the escrow of the secrets opens with the recovery key only, and is stored once', async () => {
  const target = new DirectoryTarget(join(root, 'target'));
  const keys = { recovery: RECOVERY.publicText, masterKey: MASTER.key };
  expect(await storeEscrow(target, SECRETS, keys)).not.toBeNull();
  expect(await storeEscrow(target, { ...SECRETS }, keys)).toBeNull();
  expect(String(await target.get('escrow/secrets.json'))).not.toContain('a secret of sessions');
  expect(await readEscrow(target, RECOVERY.privateText)).toEqual(SECRETS);
  await expect(readEscrow(target, createRecoveryKey().privateText)).rejects.toThrow('another recovery key');

  const next = { ...SECRETS, JWT_SECRET: 'the next one' };
  expect(await storeEscrow(target, next, keys)).not.toBeNull();
  expect(await readEscrow(target, RECOVERY.privateText)).toEqual(next);
  const other = createRecoveryKey();
  expect(await storeEscrow(target, next, { ...keys, recovery: other.publicText })).not.toBeNull();
  expect(await readEscrow(target, other.privateText)).toEqual(next);
  await target.put('escrow/secrets.json', Buffer.from('{'));
  await expect(readEscrow(target, other.privateText)).rejects.toThrow('damaged');
});

it('opens directories only', () => {
  expect(openTarget('/srv/backups')).toBeInstanceOf(DirectoryTarget);
  for (const url of ['backups', 'ftp://host/path', ''])
    expect(() => openTarget(url)).toThrow('absolute path of a directory');
});
