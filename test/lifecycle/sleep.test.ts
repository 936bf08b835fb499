import { once } from 'node:events';
import { open, rename } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { INSTANCE_VARIABLE } from '../../daemon/pocketbase/process/command.ts';
import { findByEnvironment } from '../../daemon/pocketbase/process/procfs.ts';
import { type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import {
  instance,
  kill,
  ownerOf,
  PASSWORD,
  signUp,
  untilInstance,
  untilRunning,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import { statusOf } from '../helpers/status-prober.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const SLEEPS = { TEST_SLEEP_AFTER_MS: '1000', PB_HEALTH_INTERVAL: '1' };

function untilAsleep(fathom: Deployment, name: string) {
  return untilInstance(fathom, name, ({ phase }) => phase === 'asleep', 'to sleep');
}

function untilFailed(fathom: Deployment, name: string) {
  return untilInstance(fathom, name, ({ phase }) => phase === 'failed', 'to be failed');
}

async function statuses(port: number | null, count: number): Promise<Set<number | string>> {
  return new Set(await Promise.all(Array.from({ length: count }, () => statusOf(port as number))));
}

it('a database that is not used sleeps, although it is probed, and the next request wakes it', async () => {
  const fathom = await deployment(SLEEPS);
  await fathom.start({}, SCRIPTED);
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'before');
  const asleep = await untilAsleep(fathom, tenant.name);
  expect(asleep).toMatchObject({
    pid: null,
    desired: 'running',
    reason: { code: 'idle' },
    url: expect.any(String),
  });
  expect(await statuses(asleep.port, 50)).toEqual(new Set([200]));
  const owner = await ownerOf(fathom, tenant);
  expect(await owner.collection('documents').getFullList()).toMatchObject([{ title: 'before' }]);
  expect((await instance(fathom, tenant.name)).port).toBe(asleep.port);
  await untilAsleep(fathom, tenant.name);
});

it('a new database that may sleep has no process until its first request, or the next sign-in', async () => {
  const fathom = await deployment({ SLEEP_AFTER: '30' });
  await fathom.start();
  const register = (email: string) => fathom.client.auth.register({ email, password: PASSWORD });
  const { database } = await register('ann@example.com');
  expect(database).toMatchObject({ status: 'Stopped', asleep: true, token: expect.any(String) as string });
  const asleep = await instance(fathom, database?.name ?? '');
  expect(asleep).toMatchObject({ phase: 'asleep', pid: null, run: null, reason: { code: 'idle' } });
  const records = `${database?.url}/api/collections/documents/records`;
  const headers = { authorization: database?.token ?? '' };
  expect((await fetch(records, { headers })).status).toBe(200);
  const woken = await untilRunning(fathom, asleep.name);
  expect(woken.port).toBe(asleep.port);
  await register('ben@example.com');
  const signedIn = await fathom.client.auth.login({ email: 'ben@example.com', password: PASSWORD });
  expect(signedIn.database).toMatchObject({ status: 'Running' });
});

it('the keeper wakes databases while the daemon is away, and the next daemon takes them over', async () => {
  const fathom = await deployment(SLEEPS);
  const daemon = await fathom.start({}, SCRIPTED);
  const tenants = [await signUp(fathom), await signUp(fathom), await signUp(fathom)];
  const asleep = await Promise.all(tenants.map(({ name }) => untilAsleep(fathom, name)));
  daemon.signal('SIGKILL');
  await daemon.exited;
  for (const { port } of asleep.slice(0, 2)) expect(await statuses(port, 20)).toEqual(new Set([200]));
  await fathom.start({}, SCRIPTED);
  const found = await untilInstance(
    fathom,
    asleep[0]?.name ?? '',
    ({ phase }) => phase !== 'stopped',
    'to be known',
  );
  expect(['running', 'asleep', 'stopping']).toContain(found.phase);
  await untilAsleep(fathom, asleep[2]?.name ?? '');
  for (const { port } of asleep) expect(await statuses(port, 20)).toEqual(new Set([200]));
  // Two of them without a daemon.
  const journal = await fathom.client.events.list({});
  const wakes = journal.items.filter(({ kind }) => kind === 'wake').map(({ name }) => name);
  expect(wakes).toEqual(expect.arrayContaining(asleep.slice(0, 2).map(({ name }) => name)));
  expect((await fathom.client.daemon.status()).wakes.last_hour).toBe(wakes.length);
});

it('without a daemon, a database whose process ends is woken again, and a damaged one answers 503', async () => {
  const fathom = await deployment(SLEEPS);
  const daemon = await fathom.start({}, SCRIPTED);
  const tenants = [await signUp(fathom), await signUp(fathom), await signUp(fathom)];
  const [good, header, page] = await Promise.all(tenants.map(({ name }) => untilAsleep(fathom, name)));
  if (!good || !header || !page) throw new Error('not asleep');
  daemon.signal('SIGKILL');
  await daemon.exited;
  await overwrite(join(header.db_path, 'data.db'), 0);
  await overwrite(join(page.db_path, 'data.db'), 100);
  for (let wake = 0; wake < 2; wake += 1) {
    expect(await statusOf(good.port as number)).toBe(200);
    const processes = await findByEnvironment(INSTANCE_VARIABLE, good.name);
    for (const { pid } of processes) kill(pid, 'SIGKILL');
  }
  for (const { port } of [header, page]) {
    const answer = await fetch(`http://127.0.0.1:${port}/api/health`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ data: { database: { code: 'database_corrupt' } } });
  }
  // Also the next daemons know it, before the next request.
  for (let start = 0; start < 2; start += 1) {
    const next = await fathom.start({}, SCRIPTED);
    for (const { name } of [header, page]) {
      expect((await untilFailed(fathom, name)).reason).toMatchObject({ code: 'database_corrupt' });
    }
    await untilAsleep(fathom, good.name);
    await next.stop();
  }
});

it('shows that the files of a sleeping database are gone or damaged', async () => {
  const fathom = await deployment(SLEEPS);
  await fathom.start({}, SCRIPTED);
  const tenants = [await signUp(fathom), await signUp(fathom)];
  const [damaged, missing] = await Promise.all(tenants.map(({ name }) => untilAsleep(fathom, name)));
  if (!damaged || !missing) throw new Error('not asleep');
  await overwrite(join(damaged.db_path, 'data.db'), 0);
  await rename(join(missing.db_path, 'data.db'), join(missing.db_path, 'away.db'));
  expect((await untilFailed(fathom, damaged.name)).reason).toMatchObject({ code: 'database_corrupt' });
  await untilInstance(
    fathom,
    missing.name,
    ({ phase, reason }) => phase === 'backing_off' && reason?.code === 'data_dir_missing',
    'to be missed',
  );
  const findings = await doctorFindings(fathom);
  const finding = (id: string) => findings.find((one) => one.id === id);
  expect(finding('damaged')).toMatchObject({
    summary: expect.stringContaining(damaged.name),
    remedy: expect.stringContaining(`fathomd databases start ${damaged.name}`),
  });
  expect(finding('without_data')?.summary).toContain(missing.name);
  await rename(join(missing.db_path, 'away.db'), join(missing.db_path, 'data.db'));
  await untilAsleep(fathom, missing.name);
});

async function overwrite(path: string, position: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(Buffer.alloc(200, 'this is no database, '), 0, 200, position);
}

it('sleeping databases can be reached again after the keeper was killed', async () => {
  const fathom = await deployment(SLEEPS);
  await fathom.start({}, SCRIPTED);
  const { name } = await signUp(fathom);
  const { port } = await untilAsleep(fathom, name);
  const fleetId = fleetIdOf(fathom.dataDir);
  const keeper = await keeperOf(fleetId);
  kill(keeper, 'SIGKILL');
  await until(async () => (await statusOf(port as number)) === 200, { what: 'an answer' });
  expect((await instance(fathom, name)).port).toBe(port);
});

it('a start of the daemon starts no database that may sleep, and a stop ends all', async () => {
  const fathom = await deployment(SLEEPS);
  const daemon = await fathom.start({}, SCRIPTED);
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'before');
  await daemon.stop();
  await fathom.start({}, SCRIPTED);
  const { port, run } = await untilAsleep(fathom, tenant.name);
  expect(run).toBeNull();
  expect(await statuses(port, 5)).toEqual(new Set([200]));
  await writeAndRead(fathom, tenant, 'after');
});

it('a database with automatic backups of PocketBase stays awake, and is woken after a start', async () => {
  const fathom = await deployment(SLEEPS);
  const daemon = await fathom.start({}, SCRIPTED);
  const [own, other] = [await signUp(fathom), await signUp(fathom)];
  const row = (await databaseRows(fathom)).find(({ name }) => name === own.name);
  if (!row) throw new Error('the database has no row');
  // The daemon has seen that it has none.
  await untilAsleep(fathom, own.name);
  const superuser = await asSuperuser(fathom, row);
  await superuser.settings.update({ backups: { cron: '0 3 * * *', cronMaxKeep: 2 } });
  await untilRunning(fathom, own.name);
  await fathom.client.databases.wake(other.name);
  await untilAsleep(fathom, other.name);
  await expect(fathom.client.databases.sleep(own.name, { force: true })).rejects.toMatchObject({
    code: 'conflict',
    message: textWith('jobs at fixed times', `databases stop ${own.name}`),
  });
  expect(await instance(fathom, own.name)).toMatchObject({ phase: 'running' });
  await daemon.stop();
  await fathom.start({}, SCRIPTED);
  await untilRunning(fathom, own.name);
  expect(await untilAsleep(fathom, other.name)).toMatchObject({ run: null });
});

it('above MAX_AWAKE, the database that was used least recently sleeps, also without SLEEP_AFTER', async () => {
  const fathom = await deployment({ MAX_AWAKE: '1' });
  const daemon = await fathom.start();
  const [kept, first] = [await signUp(fathom), await signUp(fathom)];
  await fathom.client.databases.update(kept.name, { sleep_after: 0 });
  await fathom.client.databases.wake(first.name);
  const { port } = await untilAsleep(fathom, first.name);
  expect(await instance(fathom, first.name)).toMatchObject({ reason: { code: 'awake_limit' } });
  expect(await instance(fathom, kept.name)).toMatchObject({ phase: 'running' });
  await daemon.stop();
  await fathom.start();
  await untilRunning(fathom, kept.name);
  expect(await untilAsleep(fathom, first.name)).toMatchObject({ run: null });
  expect(await statuses(port, 5)).toEqual(new Set([200]));
});

it('tells why a database cannot sleep', async () => {
  const fathom = await deployment();
  await fathom.start();
  const { name } = await signUp(fathom);
  const { port } = await instance(fathom, name);
  const client = connect(port as number, '127.0.0.1');
  await once(client, 'connect');
  await expect(fathom.client.databases.sleep(name)).rejects.toMatchObject({ code: 'conflict' });
  client.destroy();
  await until(() => fathom.client.databases.sleep(name).catch(() => null), { what: 'it to sleep' });
  await fathom.client.databases.stop(name);
  await expect(fathom.client.databases.sleep(name)).rejects.toMatchObject({ code: 'conflict' });
});
