import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { hashFile } from '../../daemon/base/files/hash-file.ts';
import { EMBEDDED } from '../../daemon/pocketbase/binary/binary.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, signUp, untilInstance, untilRunning, writeAndRead } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { installVersion } from '../helpers/installed-versions.ts';
import { readMetrics } from '../helpers/metrics.ts';
import { statusOf } from '../helpers/status-prober.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';
import { type UpstreamVersion, upstreamBuild } from '../helpers/upstream-builds.ts';

const [NEW, NEWEST] = ['0.39.11', '0.40.6'] as const;
const FLEET = EMBEDDED.version;
/** Of a release that may have other tables than those of today. */
const FUTURE = '0.41.0';
const builds = {
  [NEW]: await upstreamBuild(NEW, 'a version per database'),
  [NEWEST]: await upstreamBuild(NEWEST, 'a version per database'),
};
const haveBuilds = builds[NEW] !== null && builds[NEWEST] !== null;

const install = (fathom: Deployment, version: UpstreamVersion) =>
  installVersion(fathom, version, builds[version] ?? '');

/** Installs a build that says another version. */
async function installAs({ dataDir }: Deployment, says: string, version: UpstreamVersion): Promise<void> {
  const directory = join(dataDir, 'pocketbase', says);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const script = `#!/bin/sh
if [ "$1" = --version ]; then echo 'pocketbase version ${says}'; exit; fi
exec ${builds[version]} "$@"
`;
  await writeFile(join(directory, 'pocketbase'), script, { mode: 0o700 });
}

/** The version that the process of an instance says of itself. */
async function runs({ pid }: Instance): Promise<string> {
  const hash = await hashFile(`/proc/${pid}/exe`);
  for (const [version, path] of Object.entries(builds))
    if (path && (await hashFile(path)) === hash) return version;
  return hash === EMBEDDED.sha256 ? FLEET : hash;
}

const pin = (fathom: Deployment, name: string, version: string | null) =>
  fathom.client.databases.pin(name, { version });

const refused = (answer: Promise<unknown>) =>
  answer.then(
    () => null,
    ({ code, message }: { code: string; message: string }) => ({ code, message }),
  );

it.runIf(haveBuilds)(
  'databases run different versions at once, also after a restart of the daemon',
  async () => {
    const fathom = await deployment();
    const daemon = await fathom.start();
    await install(fathom, NEW);
    await install(fathom, NEWEST);
    const [a, b, c] = [await signUp(fathom), await signUp(fathom), await signUp(fathom)];
    await writeAndRead(fathom, a, 'with the first version');
    expect(await pin(fathom, a.name, NEW)).toMatchObject({
      phase: 'running',
      pocketbase_version: NEW,
      pinned_version: NEW,
    });
    await pin(fathom, b.name, NEWEST);
    const before = await Promise.all([a, b, c].map(({ name }) => instance(fathom, name)));
    expect(await Promise.all(before.map(runs))).toEqual([NEW, NEWEST, FLEET]);
    for (const tenant of [a, b, c]) await writeAndRead(fathom, tenant, 'after the pin');

    daemon.signal('SIGKILL');
    await daemon.exited;
    await fathom.start();
    for (const { name, pid, pocketbase_version, pinned_version } of before) {
      const after = await untilRunning(fathom, name);
      expect(after).toMatchObject({ pid, pocketbase_version, pinned_version });
    }
    const templates = await readdir(join(fathom.dataDir, 'templates'));
    for (const version of [NEW, NEWEST])
      expect(templates.filter((entry) => entry.startsWith(`${version}-`))).toHaveLength(1);
    // A new database is one of the fleet.
    const d = await signUp(fathom);
    expect(await instance(fathom, d.name)).toMatchObject({ pocketbase_version: FLEET, pinned_version: null });
    await fathom.client.databases.restart(a.name);
    expect(await runs(await instance(fathom, a.name))).toBe(NEW);
  },
);

it.runIf(haveBuilds)('refuses versions that cannot run on a database, and says what to do', async () => {
  const fathom = await deployment();
  await fathom.start();
  const { name } = await signUp(fathom);
  const { pid } = await instance(fathom, name);
  expect(await refused(pin(fathom, name, NEWEST))).toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`fathomd pocketbase install ${NEWEST}`),
  });
  expect(await refused(pin(fathom, name, '0.36.6'))).toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('0.36.7'),
  });
  expect(await refused(pin(fathom, name, '../evil'))).toMatchObject({ code: 'request.invalid' });
  // The version that it runs already.
  expect(await pin(fathom, name, FLEET)).toMatchObject({ pid, pinned_version: FLEET });
  expect(await pin(fathom, name, null)).toMatchObject({ pid, pinned_version: null });
  await install(fathom, NEW);
  await installAs(fathom, FUTURE, NEWEST);
  await pin(fathom, name, FUTURE);
  for (const older of [NEW, null]) {
    expect(await refused(pin(fathom, name, older))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`PocketBase ${FUTURE} ran last`),
    });
  }
  await fathom.client.databases.stop(name);
  expect(await refused(pin(fathom, name, NEW))).toMatchObject({ code: 'conflict' });
  expect(await instance(fathom, name)).toMatchObject({ phase: 'stopped', pinned_version: FUTURE });
  await fathom.client.databases.start(name);
  expect(await runs(await instance(fathom, name))).toBe(NEWEST);
});

it.runIf(haveBuilds)('goes back to an older version that reads the same data', async () => {
  const fathom = await deployment();
  await fathom.start();
  const ann = await signUp(fathom);
  await install(fathom, NEW);
  await install(fathom, NEWEST);
  await pin(fathom, ann.name, NEWEST);
  await writeAndRead(fathom, ann, 'with the newest');
  for (const older of [NEW, null]) {
    const version = older ?? FLEET;
    expect(await pin(fathom, ann.name, older)).toMatchObject({
      pocketbase_version: version,
      pinned_version: older,
    });
    expect(await runs(await instance(fathom, ann.name))).toBe(version);
    await writeAndRead(fathom, ann, `with ${version}`);
  }
});

it.runIf(haveBuilds)('starts no other version in place of a missing one, until it is installed', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const path = await install(fathom, NEWEST);
  const { name } = await signUp(fathom);
  const before = await pin(fathom, name, NEWEST);
  await rm(path);

  const untilReason = (code: string) =>
    untilInstance(
      fathom,
      name,
      ({ phase, reason }) => phase === 'backing_off' && reason?.code === code,
      code,
    );

  // A process is kept, also by another daemon.
  daemon.signal('SIGKILL');
  await daemon.exited;
  await fathom.start();
  expect(await untilRunning(fathom, name)).toMatchObject({
    pid: before.pid,
  });

  process.kill(before.pid ?? 0, 'SIGKILL');
  const failed = await untilReason('binary_missing');
  expect(failed).toMatchObject({
    pid: null,
    pocketbase_version: NEWEST,
    reason: {
      code: 'binary_missing',
      message: expect.stringContaining(`fathomd pocketbase install ${NEWEST}`),
    },
  });
  await install(fathom, NEWEST);
  const healed = await untilRunning(fathom, name);
  expect(await runs(healed)).toBe(NEWEST);

  await rm(path);
  await writeFile(path, 'another content', { mode: 0o700 });
  process.kill(healed.pid ?? 0, 'SIGKILL');
  await untilReason('binary_changed');
  await install(fathom, NEWEST);
  await untilRunning(fathom, name);
});

it.runIf(haveBuilds)('a database that sleeps wakes with the version that it is pinned to', async () => {
  const fathom = await deployment({ TEST_SLEEP_AFTER_MS: '1000', PB_HEALTH_INTERVAL: '1' });
  const daemon = await fathom.start({}, SCRIPTED);
  await install(fathom, NEW);
  await install(fathom, NEWEST);
  const { name } = await signUp(fathom);
  const untilAsleep = () => untilInstance(fathom, name, ({ phase }) => phase === 'asleep', 'to sleep');
  await untilAsleep();
  expect(await pin(fathom, name, NEW)).toMatchObject({ phase: 'asleep', pid: null, pocketbase_version: NEW });
  const { port } = await untilAsleep();
  expect(await statusOf(port ?? 0)).toBe(200);
  const awake = await untilInstance(fathom, name, ({ pid }) => pid !== null, 'to wake');
  expect(await runs(awake)).toBe(NEW);

  // Also by the keeper, without a daemon.
  await untilAsleep();
  expect(await pin(fathom, name, NEWEST)).toMatchObject({ phase: 'asleep' });
  daemon.signal('SIGKILL');
  await daemon.exited;
  expect(await statusOf(port ?? 0)).toBe(200);
  await fathom.start({ TEST_SLEEP_AFTER_MS: '600000' }, SCRIPTED);
  const kept = await untilRunning(fathom, name);
  expect(await runs(kept)).toBe(NEWEST);
  expect(kept).toMatchObject({ run: null, pocketbase_version: NEWEST });
});

it.runIf(haveBuilds)(
  'a sleeping database whose version is missing answers 503 until it is installed',
  async () => {
    const fathom = await deployment({ TEST_SLEEP_AFTER_MS: '1000', PB_HEALTH_INTERVAL: '1' });
    const daemon = await fathom.start({}, SCRIPTED);
    const path = await install(fathom, NEWEST);
    const { name } = await signUp(fathom);
    await pin(fathom, name, NEWEST);
    const { port } = await untilInstance(fathom, name, ({ phase }) => phase === 'asleep', 'to sleep');
    daemon.signal('SIGKILL');
    await daemon.exited;
    await rm(path);
    const answer = await fetch(`http://127.0.0.1:${port}/api/health`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ data: { database: { code: 'binary_missing' } } });
    await fathom.start({}, SCRIPTED);
    await untilInstance(fathom, name, ({ reason }) => reason?.code === 'binary_missing', 'to say why');
    expect(await statusOf(port ?? 0)).toBe(503);
    await install(fathom, NEWEST);
    await until(async () => (await statusOf(port ?? 0)) === 200, { what: 'an answer' });
    expect(await instance(fathom, name)).toMatchObject({ pocketbase_version: NEWEST });
  },
);

it.runIf(haveBuilds)('the global PocketBase has a version of its own', async () => {
  const fathom = await deployment();
  await install(fathom, NEWEST);
  const newest = await fathom.start({ PB_GLOBAL_VERSION: NEWEST });
  const { name } = await signUp(fathom);
  expect(await runs(await instance(fathom, 'global'))).toBe(NEWEST);
  expect(await runs(await instance(fathom, name))).toBe(FLEET);
  await newest.stop();
  const missing = fathom.launch({ PB_GLOBAL_VERSION: FUTURE });
  expect(await missing.exited).toBe(78);
  expect(missing.output()).toContain(`fathomd pocketbase install ${FUTURE}`);
  // One that reads the same data can follow, another one cannot.
  const older = await fathom.start({ PB_GLOBAL_VERSION: FLEET });
  expect(await runs(await instance(fathom, 'global'))).toBe(FLEET);
  await older.stop();
  await installAs(fathom, FUTURE, NEWEST);
  const future = await fathom.start({ PB_GLOBAL_VERSION: FUTURE });
  await future.stop();
  const refusedStart = fathom.launch({ PB_GLOBAL_VERSION: FLEET });
  expect(await refusedStart.exited).not.toBe(0);
  expect(refusedStart.output()).toContain(`PocketBase ${FUTURE} ran last`);
});

it.runIf(haveBuilds)('commands, metrics, the doctor and the audit log show pinned versions', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const { name } = await signUp(fathom);
  const path = await install(fathom, NEW);
  const run = (...args: string[]) => fathomd([...args, '--socket', fathom.socketPath]);
  const onHost = (...args: string[]) =>
    fathomd([...args, '--json', '--data-dir', fathom.dataDir], { cwd: fathom.dataDir, env: fathom.env });
  expect(await run('databases', 'pin', name)).toMatchObject({ exitCode: 2 });
  expect(await run('databases', 'pin', name, NEW, '--fleet')).toMatchObject({ exitCode: 2 });
  expect(await run('databases', 'pin', name, 'newest')).toMatchObject({ exitCode: 2 });
  expect(await run('databases', 'pin', name, `v${NEW}`)).toMatchObject({
    exitCode: 0,
    stdout: textWith(name, NEW),
  });
  expect((await run('databases', 'list', '--wide')).stdout).toContain(`${NEW} (pinned)`);
  const metrics = await readMetrics(fathom);
  expect(metrics).toContain(`fathom_instances_by_version{pocketbase_version="${NEW}"} 1`);
  expect(metrics).toContain(`fathom_instances_by_version{pocketbase_version="${FLEET}"} 1`);
  const { items } = await fathom.client.audit.list({ per_page: 20 });
  expect(items).toContainEqual(
    expect.objectContaining({ action: 'database.pin', target: name, outcome: 'ok' }),
  );

  type Listed = { version: string; pinned: string[]; instances: string[]; problem: string | null };
  const listed = async () => JSON.parse((await onHost('pocketbase', 'list')).stdout) as Listed[];
  expect(await listed()).toMatchObject([
    { version: FLEET, pinned: [], instances: ['global'] },
    { version: NEW, pinned: [name], instances: [name], problem: null },
  ]);
  const finding = async (id: string) =>
    (JSON.parse((await onHost('doctor')).stdout) as { id: string; level: string }[]).find(
      (one) => one.id === id,
    );
  expect(await finding('versions')).toMatchObject({ level: 'ok' });
  expect(await finding('other_binary')).toBeUndefined();

  await rm(dirname(path), { recursive: true });
  expect(await listed()).toMatchObject([
    { version: FLEET },
    { version: NEW, source: 'pinned', pinned: [name], path: null, problem: textWith(`install ${NEW}`) },
    { source: 'running', instances: [name] },
  ]);
  expect(await finding('versions')).toMatchObject({ level: 'warning', remedy: textWith(`install ${NEW}`) });

  const templates = async () =>
    (await readdir(join(fathom.dataDir, 'templates'))).filter((entry) => entry.includes(NEW));
  expect(await templates()).not.toEqual([]);
  await daemon.stop();
  await fathom.start();
  expect(await templates()).toEqual([]);
});

it.runIf(haveBuilds)('tests the migrations with each version before a database runs with them', async () => {
  const fathom = await deployment();
  const migrations = join(fathom.dataDir, 'apps', 'shop', 'migrations');
  await mkdir(migrations, { recursive: true });
  await fathom.start();
  await install(fathom, NEWEST);
  const [a, b] = [await signUp(fathom), await signUp(fathom)];
  await pin(fathom, a.name, NEWEST);
  // PocketBase 0.40 no longer lets statements change the schema of SQLite itself.
  await writeFile(
    join(migrations, '1800000000_schema.js'),
    `migrate((app) => {
       app.save(new Collection({ type: 'base', name: 'goods' }));
       app.nonconcurrentDB().newQuery('PRAGMA writable_schema = ON').execute();
       app.nonconcurrentDB().newQuery("UPDATE sqlite_master SET sql = sql WHERE name = 'goods'").execute();
     }, () => {});`,
  );
  await fathom.client.databases.restart(b.name);
  const collections = async (name: string) =>
    (await fathom.client.databases.collections(name, {})).items.map((one) => one.name);
  expect(await collections(b.name)).toContain('goods');
  await fathom.client.databases.restart(a.name);
  expect(await collections(a.name)).not.toContain('goods');
  expect(await fathom.client.migrations.status()).toMatchObject({
    in_use: false,
    problem: { message: textWith(`with PocketBase ${NEWEST}`, '1800000000_schema.js') },
  });
  await writeAndRead(fathom, a, 'without the migration');
});

it.runIf(haveBuilds)('a pin stays when the fleet gets another version', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  await install(fathom, NEW);
  const newest = await install(fathom, NEWEST);
  const [a, b] = [await signUp(fathom), await signUp(fathom)];
  const before = await pin(fathom, a.name, NEW);
  await daemon.stop();
  const second = await fathom.start({ PB_BINARY_PATH: newest });
  const [pinned, unpinned] = await Promise.all([a, b].map(({ name }) => untilRunning(fathom, name)));
  expect(pinned).toMatchObject({ pocketbase_version: NEW, pinned_version: before.pinned_version });
  expect(await runs(unpinned as Instance)).toBe(NEWEST);
  // The way to the version of the fleet is free, as it is newer.
  expect(await pin(fathom, a.name, null)).toMatchObject({ pocketbase_version: NEWEST, pinned_version: null });
  await writeAndRead(fathom, a, 'with the version of the fleet');
  await second.stop();
  const third = await fathom.start();
  await untilRunning(fathom, b.name);
  expect(await runs(await instance(fathom, b.name))).toBe(FLEET);
  expect(third.output()).not.toContain('ran with');
  await third.stop();
  // An administrator who goes back with the fleet is not stopped. The log names databases that may not be readable.
  await installAs(fathom, FUTURE, NEWEST);
  const future = join(fathom.dataDir, 'pocketbase', FUTURE, 'pocketbase');
  const fourth = await fathom.start({ PB_BINARY_PATH: future });
  await untilRunning(fathom, b.name);
  await fourth.stop();
  const fifth = await fathom.start();
  await untilRunning(fathom, b.name);
  expect(fifth.output()).toContain(`ran with ${FUTURE} last`);
});
