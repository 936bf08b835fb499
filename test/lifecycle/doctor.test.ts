import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, open, rename, stat, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Finding } from '../../daemon/host/doctor/finding.ts';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, kill, signUp } from '../helpers/fleet-actions.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { deployment } from '../helpers/harness.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { serveByHand, untilServing } from '../helpers/serve-by-hand.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

/** Of the host that the tests run on, and of the PocketBase that they run, which are what they are. */
const GIVEN = new Set(['inotify', 'open_files', 'disk', 'node', 'advisories']);
const WITHOUT_OWNER = '2020-01-01-001-unowned';
/** Only root gives files away. */
const isRoot = process.getuid?.() === 0;

async function doctor(fathom: Deployment, env: Record<string, string> = {}, ...options: string[]) {
  const { stdout, stderr, exitCode } = await fathomd(['doctor', '--json', ...options], {
    cwd: fathom.dataDir,
    env: { ...fathom.env, ...env },
  });
  const findings = (JSON.parse(stdout) as Finding[]).filter(({ id }) => !GIVEN.has(id));
  const troubles = findings.filter(({ level }) => level !== 'ok');
  return {
    troubles: troubles.map(({ id }) => id).toSorted(),
    stderr,
    exitCode,
    say: (id: string) => findings.find((finding) => finding.id === id)?.summary ?? '',
  };
}

/** Where instances run an executable of PocketBase, and whether the daemon starts that one. */
async function pocketbases(fathom: Deployment) {
  const args = ['pocketbase', 'list', '--json'];
  const { stdout } = await fathomd(args, { cwd: fathom.dataDir, env: fathom.env });
  return JSON.parse(stdout) as { path: string; daemon: boolean; instances: string[] }[];
}

async function damage(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const { size } = await file.stat();
  await file.write(Buffer.alloc(4096, 0xee), 0, 4096, Math.floor(size / 8192) * 4096);
}

it('finds problems with and without a running daemon, and fixes those that are safe to fix', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const [open0, lost, ill] = [
    await signUp(fathom, 'open'),
    await signUp(fathom, 'lost'),
    await signUp(fathom, 'ill'),
  ];
  const users = join(fathom.dataDir, 'user_dbs');
  // Moved to another disk, with a link in its place.
  await fathom.client.databases.stop(ill.name);
  await rename(join(users, ill.name), join(fathom.dataDir, 'moved'));
  await symlink(join(fathom.dataDir, 'moved'), join(users, ill.name));
  await fathom.client.databases.start(ill.name);
  expect(await doctor(fathom)).toMatchObject({ troubles: [], exitCode: 0, stderr: '' });

  // While the daemon runs.
  await chmod(join(users, open0.name), 0o755);
  if (isRoot) await chown(join(users, open0.name), 12_345, 12_345);
  await mkdir(join(users, WITHOUT_OWNER), { mode: 0o700 });
  await fathom.client.databases.stop(lost.name);
  await rename(join(users, lost.name), join(fathom.dataDir, 'lost'));
  await fathom.client.databases.stop(ill.name);
  const illData = join(users, ill.name, 'pb_data', 'data.db');
  await copyFile(illData, `${illData}.whole`);
  await damage(illData);
  await fathom.client.databases.start(lost.name).catch(() => {});
  const binary = join(fathom.dataDir, 'another-pocketbase');
  await copyFile((await verifyBinary(null)).path, binary);
  const port = await freePortRange(1);
  await serveByHand(fathom, open0.name, {
    port,
    dir: join(fathom.dataDir, 'orphan'),
    binary,
    markedAs: WITHOUT_OWNER,
  });
  await untilServing(port);

  // A copy of the executable counts as the same one.
  expect(await pocketbases(fathom)).toEqual([
    expect.objectContaining({
      source: 'embedded',
      version: '0.39.1',
      chosen: true,
      daemon: true,
      instances: [WITHOUT_OWNER, open0.name, 'global'].toSorted(),
    }),
  ]);

  const broken = await doctor(fathom);
  expect(broken.exitCode).toBe(0);
  expect(broken.troubles).toEqual(
    [
      'permissions',
      ...(isRoot ? ['owner'] : []),
      'without_row',
      'without_directory',
      'damaged',
      'orphans',
      'instances',
    ].toSorted(),
  );
  expect(broken.say('permissions')).toEqual(textWith(open0.name, 755));
  if (isRoot) expect(broken.say('owner')).toEqual(textWith(open0.name, 12345));
  expect(broken.say('without_row')).toContain(WITHOUT_OWNER);
  expect(broken.say('without_directory')).toContain(lost.name);
  expect(broken.say('damaged')).toContain(ill.name);
  expect(broken.say('orphans')).toContain(WITHOUT_OWNER);
  expect(broken.say('instances')).toEqual(textWith(lost.name, 'data_dir_missing'));

  const fixed = await doctor(fathom, {}, '--fix');
  expect(fixed.stderr).toContain(`chmod 0700 ${join(users, open0.name)}`);
  expect(fixed.troubles).not.toContain('permissions');
  if (isRoot) await chown(join(users, open0.name), 0, 0);
  await copyFile(`${illData}.whole`, illData);
  await rename(join(fathom.dataDir, 'lost'), join(users, lost.name));

  // While it does not, and left everything as it was.
  const { pid: orphan } =
    (await fleetProcesses(fathom.dataDir)).find((one) => one.instance === WITHOUT_OWNER) ?? {};
  kill(orphan ?? null, 'SIGKILL');
  await rename(join(users, WITHOUT_OWNER), join(fathom.dataDir, 'unowned'));
  daemon.signal('SIGKILL');
  await daemon.exited;
  await mkdir(join(users, '.staging-half-made'));
  await mkdir(join(users, '.rescued-one-2026'));
  const tomorrow = new Date(Date.now() + 86_400_000);
  await utimes(join(fathom.dataDir, 'logs'), tomorrow, tomorrow);
  const left = await doctor(fathom);
  expect(left.troubles).toEqual(
    ['unsupervised', 'stale_socket', 'stale_pid_file', 'leftovers', 'rescued', 'clock'].toSorted(),
  );
  expect(left.say('port_pb_global_port')).toContain(fathom.env['PB_GLOBAL_PORT']);
  expect(left.say('unsupervised')).toEqual(textWith(2));

  const fixedAgain = await doctor(fathom, {}, '--fix');
  expect(fixedAgain.troubles).toEqual(['daemon', 'unsupervised', 'rescued', 'clock'].toSorted());
  expect(existsSync(fathom.socketPath)).toBe(false);
  expect(existsSync(join(users, '.staging-half-made'))).toBe(false);
  expect(existsSync(join(users, '.rescued-one-2026'))).toBe(true);
  expect((await stat(illData)).size).toBe((await stat(`${illData}.whole`)).size);

  // Nothing was harmed: the next daemon takes over what runs.
  const before = await instanceProcesses(fathom);
  const next = await fathom.start();
  expect((await instance(fathom, open0.name)).pid).toBe(before.get(open0.name));
  expect((await doctor(fathom)).troubles.filter((id) => id !== 'rescued' && id !== 'clock')).toEqual([]);
  expect(await next.stop()).toBe(0);

  // A daemon that was stopped leaves nothing to look at.
  const otherKey = randomBytes(32).toString('base64');
  const stopped = await doctor(fathom, { PB_ENCRYPTION_KEY: otherKey });
  expect(stopped.troubles.filter((id) => id !== 'clock')).toEqual(['daemon', 'encryption_key', 'rescued']);
  expect(stopped.say('encryption_key')).toContain('PB_ENCRYPTION_KEY');

  await damage(join(fathom.dataDir, 'global', 'pb_data', 'data.db'));
  await using file = await open(join(fathom.dataDir, 'global', 'pb_data', 'data.db'), 'r+');
  await file.write(Buffer.alloc(100, 'x'), 0, 100, 0);
  const gone = await doctor(fathom, {
    JWT_SECRET: 'ab'.repeat(32),
    PB_ADMIN_PASSWORD: 'changeme1',
    AES_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
  });
  expect(gone.exitCode).toBe(1);
  expect(gone.troubles).toEqual(
    expect.arrayContaining(['control_plane', 'damaged', 'secrets', 'secrets', 'secrets']),
  );
});

async function instanceProcesses(fathom: Deployment): Promise<Map<string, number>> {
  const processes = await fleetProcesses(fathom.dataDir);
  return new Map(processes.map(({ instance: name, pid }) => [name, pid]));
}

it('uses the deployment as a user does, leaves nothing behind, and names the step that fails', async () => {
  const fathom = await deployment({ DATABASE_TRASH_DAYS: '7' });
  await fathom.start();
  const good = await doctor(fathom, {}, '--end-to-end');
  expect(good).toMatchObject({ troubles: [], exitCode: 0 });
  expect(good.say('end_to_end')).toMatch(
    /^an account used its database at http:\S+ in \d+ ms, and was erased$/,
  );

  const port = await freePortRange(1);
  const unreachable = await doctor(fathom, { PUBLIC_URL: `http://127.0.0.1:${port}` }, '--end-to-end');
  expect(unreachable).toMatchObject({ troubles: ['end_to_end'], exitCode: 1 });
  expect(unreachable.say('end_to_end')).toContain(`signing in at http://127.0.0.1:${port} failed`);
  expect((await fathom.client.users.list({ search: 'doctor-' })).total).toBe(0);
  await until(async () => (await fathom.client.trash.all()).length === 0, { what: 'the erasure to end' });
  expect((await fathom.client.databases.all()).map(({ name }) => name)).toEqual(['global']);
});
