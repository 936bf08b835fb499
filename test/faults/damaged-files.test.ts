import {
  chmod,
  chown,
  copyFile,
  cp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { instanceEncryptionKey } from '../../daemon/keys/derived-keys.ts';
import { adjustDatabase } from '../../daemon/pocketbase/data/adjustment.ts';
import { readSettings, settingsAdjustment } from '../../daemon/pocketbase/data/settings.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { type Deployment, SERVE } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import {
  instance,
  kill,
  ownerOf,
  signIn,
  signUp,
  type Tenant,
  untilInstance,
  untilReplaced,
  untilRunning,
} from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { textWith } from '../helpers/text-with.ts';

const shared = sharedDeployment({ PB_HEALTH_INTERVAL: '1' });

const directoryOf = (fathom: Deployment, { name }: Tenant) => join(fathom.dataDir, 'user_dbs', name);

async function overwrite(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(Buffer.alloc(bytes, 'this is no database, '), 0, bytes, 0);
}

async function titles(fathom: Deployment, tenant: Tenant): Promise<string[]> {
  const owner = await ownerOf(fathom, tenant);
  const records = await owner.collection('documents').getFullList({ sort: 'created' });
  return records.map((record) => String(record['title']));
}

async function write(fathom: Deployment, tenant: Tenant, title: string): Promise<void> {
  await (await ownerOf(fathom, tenant)).collection('documents').create({ title });
}

/** As PocketBase's files are when it has ended. */
async function backUp(fathom: Deployment, tenant: Tenant): Promise<string> {
  await fathom.client.databases.stop(tenant.name);
  const backup = join(fathom.dataDir, `${tenant.name}.backup`);
  await cp(join(directoryOf(fathom, tenant), 'pb_data'), backup, { recursive: true });
  await fathom.client.databases.start(tenant.name);
  return backup;
}

/** Not to be started again before a file can be put in its place. */
const isLongGone = ({ phase, next_attempt_at: next }: Instance) =>
  phase === 'backing_off' && Date.parse(next ?? '') - Date.now() > 1_000;

const untilGivenUp = (fathom: Deployment, { name }: Tenant) =>
  untilInstance(fathom, name, ({ phase }) => phase === 'failed', 'to be given up');

it('a database that is damaged under a running instance is found out, given up with the cause, and restored by hand', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await write(fathom, tenant, 'before the backup');
  const backup = await backUp(fathom, tenant);
  const data = join(directoryOf(fathom, tenant), 'pb_data');
  await overwrite(join(data, 'data.db'), 40_960);

  const failed = await untilGivenUp(fathom, tenant);
  expect(failed).toMatchObject({
    attempt: 3,
    max_attempts: 3,
    pid: null,
    reason: { code: 'database_corrupt', message: textWith('data.db') },
  });

  await rm(data, { recursive: true });
  await cp(backup, data, { recursive: true });
  await fathom.client.databases.start(tenant.name);
  expect(await titles(fathom, tenant)).toEqual(['before the backup']);
});

it('a damaged WAL, which SQLite would drop without a word, is not: a person decides', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await write(fathom, tenant, 'in the database');
  await backUp(fathom, tenant);
  await write(fathom, tenant, 'in the WAL');
  const wal = join(directoryOf(fathom, tenant), 'pb_data', 'data.db-wal');
  expect((await stat(wal)).size).toBeGreaterThan(0);
  const good = `${wal}.good`;
  await copyFile(wal, good);
  await overwrite(wal, 64);

  const failed = await untilGivenUp(fathom, tenant);
  expect(failed.reason).toMatchObject({
    code: 'database_corrupt',
    message: textWith('data.db-wal'),
  });
  // The damaged file is unchanged, so it can be replaced by another copy.
  expect((await stat(wal)).size).toBe((await stat(good)).size);
  await rename(good, wal);
  await fathom.client.databases.start(tenant.name);
  expect(await titles(fathom, tenant)).toEqual(['in the database', 'in the WAL']);
});

it('a data directory that is deleted under a running instance is saved from its open files, to the last record', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await write(fathom, tenant, 'first');
  await write(fathom, tenant, 'last, still in the WAL');
  const directory = directoryOf(fathom, tenant);
  await rm(directory, { recursive: true });

  const { reason } = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, reason: why }) => phase === 'backing_off' && why?.code === 'data_dir_missing',
    'to be missed',
  );
  expect(reason).toMatchObject({
    code: 'data_dir_missing',
    message: textWith('pb_data/data.db', '.rescued-'),
  });
  const [rescued] = (await readdir(join(fathom.dataDir, 'user_dbs'))).filter((name) =>
    name.startsWith(`.rescued-${tenant.name}`),
  );
  await rename(join(fathom.dataDir, 'user_dbs', rescued ?? ''), directory);
  await fathom.client.databases.start(tenant.name);
  expect(await titles(fathom, tenant)).toEqual(['first', 'last, still in the WAL']);
});

it('a database that is replaced under a running instance is what runs a moment later, by itself', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await write(fathom, tenant, 'in the backup');
  const backup = await backUp(fathom, tenant);
  await write(fathom, tenant, 'after it');
  const before = await instance(fathom, tenant.name);
  const data = join(directoryOf(fathom, tenant), 'pb_data');
  await rename(data, `${data}.former`);
  await cp(backup, data, { recursive: true });

  await untilReplaced(fathom, before);
  expect(await titles(fathom, tenant)).toEqual(['in the backup']);
});

it('a backup that is copied into the file of a database that crashed, between crash and restart, gets its settings', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const masterKey = Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64');
  const keys = [instanceEncryptionKey(masterKey, tenant.name)] as const;
  await write(fathom, tenant, 'in the backup');
  const backup = join(await backUp(fathom, tenant), 'data.db');
  // As it was when nothing was limited.
  const unlimited = settingsAdjustment({
    keys,
    change: (settings) => ({ ...settings, rateLimits: { enabled: false, rules: [] } }),
    onFailure: (error) => {
      throw error;
    },
  });
  adjustDatabase(backup, [unlimited]);
  await write(fathom, tenant, 'after it');

  const file = join(directoryOf(fathom, tenant), 'pb_data', 'data.db');
  const { ino } = await stat(file);
  const { atime, mtime } = await stat(backup);
  // The first restart is at once, and the pauses are random: until one is long enough.
  let before: Instance;
  let dead = await instance(fathom, tenant.name);
  do {
    before = dead;
    kill(before.pid, 'SIGKILL');
    dead = await untilInstance(
      fathom,
      tenant.name,
      (now) => isLongGone(now) || (now.phase === 'running' && now.pid !== before.pid),
      'to back off, or to run again',
    );
    // Without a backup there is nothing to see to: it looks through no migrations.
    if (dead.phase === 'running')
      expect(await readFile(`/proc/${dead.pid}/cmdline`, 'utf8')).toMatch(/--migrationsDir=\S+?\/none\0/);
  } while (dead.phase === 'running');
  for (const beside of ['-wal', '-shm']) await rm(`${file}${beside}`, { force: true });
  await copyFile(backup, file);
  await utimes(file, atime, mtime);
  expect((await stat(file)).ino).toBe(ino);

  await untilReplaced(fathom, before);
  expect(await titles(fathom, tenant)).toEqual(['in the backup']);
  const stored = withDatabase(file, { readOnly: true }, (database) => readSettings(database, keys));
  expect(stored?.settings).toMatchObject({ rateLimits: { enabled: true } });
});

it('a damaged global database is named, tried again without haste, and used again once it is restored; instances run on', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const before = await instance(fathom, tenant.name);
  const { pid } = await instance(fathom, 'global');
  kill(pid, 'SIGSTOP');
  const data = join(fathom.dataDir, 'global', 'pb_data');
  // Without writes, a copy of all files is consistent.
  const backup = join(fathom.dataDir, 'global.backup');
  await cp(data, backup, { recursive: true });
  kill(pid, 'SIGCONT');
  await overwrite(join(data, 'data.db'), 8_192);

  const waiting = await untilInstance(
    fathom,
    'global',
    ({ phase, attempt }) => phase === 'backing_off' && attempt >= 3,
    'to be tried again',
    60_000,
  );
  expect(waiting).toMatchObject({
    max_attempts: null,
    reason: { code: 'database_corrupt', message: textWith('data.db') },
  });
  await expect(signIn(fathom, tenant)).rejects.toMatchObject({ code: 'control_plane.unavailable' });
  await write(fathom, tenant, 'meanwhile');

  await rm(data, { recursive: true });
  await cp(backup, data, { recursive: true });
  await untilRunning(fathom, 'global', 90_000);
  expect((await signIn(fathom, tenant)).database?.name).toBe(tenant.name);
  expect(await instance(fathom, tenant.name)).toMatchObject({ pid: before.pid, restarts: 0 });
  expect(await titles(fathom, tenant)).toEqual(['meanwhile']);
});

it('a daemon whose global database is damaged where its databases are listed does not start without them, and says where to look', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  await signUp(fathom);
  await daemon.stop();
  const path = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  const page = withDatabase(path, { readOnly: true }, (database) =>
    database.prepare("SELECT rootpage FROM sqlite_master WHERE name = 'user_databases'").get(),
  );
  await using file = await open(path, 'r+');
  await file.write(Buffer.alloc(4_096, 0xff), 0, 4_096, (Number(page?.['rootpage']) - 1) * 4_096);

  const failing = fathom.launch();
  expect(await failing.exited, failing.output()).toBe(69);
  expect(failing.output()).toEqual(textWith('data.db', "'fathomd doctor'"));
  expect(await doctorFindings(fathom)).toContainEqual(
    expect.objectContaining({ id: 'damaged', summary: textWith('global') }),
  );
});

it('a pb_data that must not be entered is named, while it runs and when it starts, and works again by itself', async () => {
  // Root may enter everything, unless it has lost that capability.
  const fathom = await deployment({ PB_HEALTH_INTERVAL: '1' });
  await fathom.start({}, ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--', ...SERVE]);
  const tenant = await signUp(fathom);
  const { pid } = await instance(fathom, tenant.name);
  const data = join(directoryOf(fathom, tenant), 'pb_data');
  await chmod(data, 0);
  const denied = await untilInstance(
    fathom,
    tenant.name,
    ({ reason }) => reason?.code === 'permission_denied',
    'to be denied',
  );
  expect(denied).toMatchObject({ phase: 'running', pid });
  // What to change, and how it is now.
  expect(denied.reason?.message).toEqual(textWith(data, 'uid 0', 'mode 000', `'chmod u+rwX ${data}'`));

  kill(pid, 'SIGKILL');
  const waiting = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, attempt }) => phase === 'backing_off' && attempt >= 3,
    'to wait',
  );
  expect(waiting).toMatchObject({ max_attempts: null, reason: { code: 'permission_denied' } });
  await chmod(data, 0o700);
  await untilInstance(
    fathom,
    tenant.name,
    ({ phase, reason }) => phase === 'running' && reason === null,
    'to run',
  );
  await write(fathom, tenant, 'again');

  // A directory of another user in its place, as after 'mkdir' and 'mv' of a rescued copy: no lock can be made in there.
  const directory = directoryOf(fathom, tenant);
  await fathom.client.databases.stop(tenant.name);
  await rm(join(directory, 'lock'));
  await chown(directory, 4321, 4321);
  await chmod(directory, 0o755);
  const failing = fathom.client.databases.start(tenant.name);
  await expect(failing).rejects.toMatchObject({ code: 'instance.failed' });
  expect((await instance(fathom, tenant.name)).reason).toMatchObject({
    code: 'permission_denied',
    message: expect.stringContaining(`'chown -R 0 ${directory}'`),
  });
  await chown(directory, 0, 0);
  await fathom.client.databases.start(tenant.name);

  // The same for one file.
  await chmod(join(data, 'data.db'), 0);
  await untilInstance(
    fathom,
    tenant.name,
    ({ reason }) => reason?.code === 'permission_denied',
    'to be reported',
  );
  await chmod(join(data, 'data.db'), 0o600);
  await untilInstance(
    fathom,
    tenant.name,
    ({ phase, reason }) => phase === 'running' && reason === null,
    'to run',
  );
  expect(await titles(fathom, tenant)).toEqual(['again']);
});
