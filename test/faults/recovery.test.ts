import { existsSync, readdirSync } from 'node:fs';
import { cp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { expect, it } from 'vitest';
import { createRecoveryKey } from '../../daemon/backups/keys/recovery-key.ts';
import { readDataKey } from '../../daemon/backups/keys/stored-keys.ts';
import { readManifest } from '../../daemon/backups/manifest.ts';
import { restoreBackup } from '../../daemon/backups/restore-backup.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { writeBackup } from '../../daemon/backups/write-backup.ts';
import { prepareDamage } from '../helpers/damage.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { type DestroyedHost, destroyHost, SECRETS } from '../helpers/destroyed-host.ts';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { FATHOMD } from '../helpers/fathomd.ts';
import { PASSWORD, signUpMany, type Tenant, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { refreshStatus } from '../helpers/http-call.ts';
import { randomFrom } from '../helpers/random.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const OWNERS = 5;

interface Stage extends DestroyedHost {
  fathom: Deployment;
  tenants: Tenant[];
  /** Tokens of before: session, database. */
  tokens: { session: string; database: string };
}

/** A fleet with records and files that was backed up elsewhere, and then destroyed with its secrets. */
async function destroyedHost(): Promise<Stage> {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const tenants = await signUpMany(fathom, OWNERS);
  for (const [index, tenant] of tenants.entries())
    for (let number = 0; number <= index; number += 1)
      await addDocument(fathom, tenant, `document ${number}`);
  const [first] = tenants;
  const left = await destroyHost(fathom, daemon);
  return {
    ...left,
    fathom,
    tenants,
    tokens: { session: first?.token ?? '', database: first?.ownerToken ?? '' },
  };
}

/** What a restore does, as its directory shows it. */
function stagesOf({ dataDir }: Deployment): (() => boolean)[] {
  const has = (path: string) => () => existsSync(join(dataDir, path));
  const users = join(dataDir, 'user_dbs');
  const databases = (count: number) => () =>
    existsSync(users) &&
    readdirSync(users).filter((name) => existsSync(join(users, name, 'pb_data'))).length >= count;
  return [
    ...['run', 'restore.json', 'global/restore', '.env', 'global/pb_data'].map(has),
    ...Array.from({ length: OWNERS }, (_, index) => databases(index + 1)),
  ];
}

/** Owners sign in with their password, read their records and files, and write. */
async function checkFleet({ fathom, tenants, tokens }: Stage): Promise<void> {
  for (const [index, tenant] of tenants.entries()) {
    const session = await fathom.client.auth.login({ email: tenant.email, password: PASSWORD });
    expect(session.database?.name).toBe(tenant.name);
    const expected = Array.from({ length: index + 1 }, (_, number) => `document ${number}`);
    expect(await readAsOwner(fathom, tenant)).toEqual(expected.map((title) => [title, `file of ${title}`]));
    await addDocument(fathom, { ...tenant, ownerToken: session.database?.token ?? '' }, 'after');
    const account = new PocketBase(fathom.globalUrl);
    await account.collection('users').authWithPassword(tenant.email, PASSWORD);
  }
  expect(
    await refreshStatus(
      (await fathom.client.databases.get(tenants[0]?.name ?? '')).url ?? '',
      tokens.database,
    ),
  ).toBe(401);
  const { status } = await fetch(`${fathom.url}/api/v1/me`, {
    headers: { authorization: `Bearer ${tokens.session}` },
  });
  expect(status).toBe(401);
  const verified = await runInProcess(['audit', 'verify', '--socket', fathom.socketPath], {
    cwd: fathom.dataDir,
  });
  expect(verified).toMatchObject({ code: 0 });
}

it('a host that was destroyed comes back from its backups with the recovery key', async () => {
  const stage = await destroyedHost();
  const { fathom, tenants, target } = stage;
  const restored = await runInProcess(stage.restoreCommand, { cwd: '/', env: fathom.env });
  expect(restored).toMatchObject({
    code: 0,
    out: textWith(`databases: ${OWNERS} with`, 'next:'),
    err: textWith(`${OWNERS} of ${OWNERS} databases`),
  });
  expect(await readdir(fathom.dataDir)).not.toContain('restore.json');
  const settings = await readFile(join(fathom.dataDir, '.env'), 'utf8');
  for (const name of SECRETS) expect(settings).toContain(`${name}=`);
  expect(settings).toContain(`BACKUP_TARGET=${target}`);

  // The one that was backed up last is restored first.
  const json = await runInProcess([...stage.restoreCommand, '--json'], { cwd: '/', env: fathom.env });
  expect(json).toMatchObject({ code: 73, err: textWith('has ended already') });
  await fathom.start();
  await checkFleet(stage);
  expect((await fathom.client.databases.list({})).total).toBe(tenants.length + 1);
  // The former host may still run, as in a drill.
  const { name } = tenants[0] as Tenant;
  const before = await readdir(join(target, 'manifests', name));
  await expect(fathom.client.backups.create(name)).rejects.toThrow('target_foreign');
  await expect(fathom.client.backups.prune(name)).rejects.toThrow('target_foreign');
  expect(await readdir(join(target, 'manifests', name))).toEqual(before);
  await fathom.client.backups.acceptTarget();
  expect(await fathom.client.backups.create(name)).toMatchObject({ changed: true });
});

it('SIGKILL in the middle is no problem: the same command continues', async () => {
  const seed = Number(process.env['FATHOM_RECOVERY_SEED'] ?? Date.now() % 1_000_000);
  console.log(`FATHOM_RECOVERY_SEED=${seed}`);
  const random = randomFrom(seed);
  const stage = await destroyedHost();
  const { fathom } = stage;
  const run = () => fathom.launch({}, [FATHOMD, ...stage.restoreCommand, '--parallel', '2']);
  const stages = stagesOf(fathom);
  let finished = false;
  let next = 0;
  const kills: number[] = [];
  while (next < stages.length && !finished) {
    const command = run();
    let hasEnded = false;
    void command.exited.finally(() => {
      hasEnded = true;
    });
    await until(() => hasEnded || stages[next]?.() === true, { what: `stage ${next} of the restore` });
    command.signal('SIGKILL');
    await command.exited;
    finished = existsSync(join(fathom.dataDir, 'restored.json'));
    if (!finished) kills.push(next);
    next += 1 + Math.floor(random() * 2);
  }
  if (!finished) {
    // A daemon does not start on a part of the data.
    const isBegun = (await readdir(fathom.dataDir)).includes('restore.json');
    if (isBegun) {
      const refused = fathom.launch();
      expect([await refused.exited, refused.output()]).toEqual([
        73,
        textWith('has not ended', 'restore --from'),
      ]);
    }
    const last = run();
    expect([await last.exited, last.output()]).toEqual([0, textWith('restored')]);
  }
  console.log(`killed at the stages ${kills.join(', ')} of ${stages.length}`);
  await fathom.start();
  await checkFleet(stage);
}, 600_000);

/** The copy of a database was damaged after SQLite had read it. @returns the id of the backup of before */
async function addDamagedBackup({ target: directory, keyFile }: Stage, database: string): Promise<string> {
  const target = new DirectoryTarget(directory);
  const key = await readDataKey(target, database, { recoveryKey: await readFile(keyFile, 'utf8') });
  const [file = ''] = await readdir(join(directory, 'manifests', database));
  const id = file.replace('.json', '');
  const previous = await readManifest(target, key, { database, id });
  const [dataDir, scratchDir] = [join(await scratch(), 'pb_data'), join(await scratch(), 'copy')];
  await restoreBackup(previous, { target, key, directory: dataDir });
  await prepareDamage(join(dataDir, 'data.db'), '_collections')();
  const source = { database, dataDir, scratchDir };
  await writeBackup(source, { target, key, previous, now: new Date(), find: () => null });
  return id;
}

it('uses an earlier backup where the last one is damaged, and says so', async () => {
  const stage = await destroyedHost();
  const { fathom, tenants, target } = stage;
  const [damaged, lost, inside] = tenants.map(({ name }) => name) as [string, string, string];
  const manifests = join(target, 'manifests', damaged);
  const [id = ''] = await readdir(manifests);
  await cp(join(manifests, id), join(manifests, '99990101t000000z-00000000.json'));
  const whole = await addDamagedBackup(stage, inside);
  await rm(join(target, 'chunks', lost), { recursive: true });
  const command = [...stage.restoreCommand, '--json'];
  const { code, out } = await runInProcess(command, { cwd: '/', env: fathom.env });
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    older: expect.arrayContaining([
      { name: damaged, backup: id.replace('.json', ''), message: textWith('in the future') },
      { name: inside, backup: whole, message: textWith('is damaged') },
    ]) as unknown,
    missing: [{ name: lost, message: textWith('is missing') }],
  });
  await fathom.start();
  for (const name of [damaged, inside]) await untilRunning(fathom, name);
  await untilInstance(fathom, lost, ({ reason }) => reason?.code === 'data_dir_missing', 'to say why');
});

it('ends when the target fails, uses no earlier backup for it, and continues later', async () => {
  const stage = await destroyedHost();
  const { fathom, tenants, target } = stage;
  const lost = join(target, 'chunks', tenants[2]?.name ?? '');
  await rename(lost, `${lost}-elsewhere`);
  await symlink(`${lost}-elsewhere`, lost);
  const refused = await runInProcess(stage.restoreCommand, { cwd: '/', env: fathom.env });
  expect(refused).toMatchObject({ code: 70, err: textWith('has a link', 'run the same command again') });
  await rm(lost);
  await rename(`${lost}-elsewhere`, lost);
  const again = await runInProcess([...stage.restoreCommand, '--json'], { cwd: '/', env: fathom.env });
  expect(again.code).toBe(0);
  expect(JSON.parse(again.out)).toMatchObject({ older: [], missing: [] });
  await fathom.start();
  await checkFleet(stage);
});

it('refuses another directory, another key and a target without backups', async () => {
  const stage = await destroyedHost();
  const { fathom, keyFile } = stage;
  const restore = (changes: Record<string, string>) => {
    const options = { from: stage.target, 'recovery-key': keyFile, 'data-dir': fathom.dataDir, ...changes };
    return runInProcess(
      ['restore', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])],
      { cwd: '/', env: fathom.env },
    );
  };
  const other = await scratch();
  await writeFile(join(other, 'notes.txt'), '');
  expect(await restore({ 'data-dir': other })).toMatchObject({ code: 73, err: textWith('notes.txt') });
  expect(await readdir(other)).toEqual(['notes.txt']);
  const otherKey = join(other, 'key');
  await writeFile(otherKey, createRecoveryKey().privateText);
  expect(await restore({ 'recovery-key': otherKey })).toMatchObject({
    code: 70,
    err: textWith('another recovery key'),
  });
  expect(await restore({ 'recovery-key': join(other, 'none') })).toMatchObject({ code: 2 });
  const empty = await scratch();
  const elsewhere = { 'data-dir': join(empty, 'data') };
  expect(await restore({ ...elsewhere, from: join(empty, 'target') })).toMatchObject({
    code: 70,
    err: textWith('escrow'),
  });
  // The unfinished restore belongs to its target.
  expect(await restore({ ...elsewhere })).toMatchObject({ code: 73, err: textWith('has begun') });
});
