import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Page } from '../../shared/api/contract/page.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let ann: Session;
let url: string;

beforeAll(async () => {
  fathom = await createDeployment({ DATABASE_MEMORY_MB: '900', SLEEP_AFTER: '30' });
  daemon = await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
  url = `${fathom.url}/api/v1/databases/${ann.database.name}`;
});

afterAll(() => fathom.dispose());

const oomScore = (pid: number | null) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
const change = (body: unknown, token = admin) => call<Instance>('PATCH', url, { token, body });
const inMib = ({ limits: { memory_bytes, disk_bytes } }: Instance) => ({
  memory_mb: memory_bytes === null ? null : memory_bytes / 1024 ** 2,
  disk_mb: disk_bytes === null ? null : disk_bytes / 1024 ** 2,
});
const limits = async () => inMib(await fathom.client.databases.get(ann.database.name));

const set = (...options: string[]) =>
  fathomd(['databases', 'set', ann.database.name, ...options, '--json', '--socket', fathom.socketPath]);

it('changes the limits of a database, and 0 or null sets the default', async () => {
  expect(await limits()).toEqual({ memory_mb: 900, disk_mb: null });
  const changed = await change({ memory_mb: 128, disk_mb: 50 });
  expect(changed.status).toBe(200);
  expect(inMib(changed.body)).toEqual({ memory_mb: 128, disk_mb: 50 });
  expect(inMib((await change({ disk_mb: 0 })).body)).toEqual({ memory_mb: 128, disk_mb: null });
  expect(inMib((await change({ memory_mb: null })).body)).toEqual({ memory_mb: 900, disk_mb: null });
  const entries = await call<Page<{ action: string; target: string }>>(
    'GET',
    `${fathom.url}/api/v1/audit?action=database.update`,
    { token: admin },
  );
  expect(entries.body.items.map(({ target }) => target)).toContain(ann.database.name);
});

it('changes them on the command line', async () => {
  const printed = async (...options: string[]) =>
    inMib(JSON.parse((await set(...options)).stdout) as Instance);
  expect(await printed('--memory-mb', '256', '--disk-mb', '40')).toEqual({ memory_mb: 256, disk_mb: 40 });
  expect(await printed('--memory-mb', 'none', '--disk-mb', '0')).toEqual({ memory_mb: 900, disk_mb: null });
  expect((await set('--memory-mb', 'much')).exitCode).toBe(2);
  expect((await set('--memory-mb', '-5')).exitCode).toBe(2);
});

const sleepAfter = async (value: number | null) =>
  (await change({ sleep_after: value })).body.limits.sleep_after;
const printedSleepAfter = async (value: string) =>
  (JSON.parse((await set('--sleep-after', value)).stdout) as Instance).limits.sleep_after;

it('sets the time after which a database sleeps, never, or the default', async () => {
  expect((await fathom.client.databases.get(ann.database.name)).limits.sleep_after).toBe(30);
  expect(await sleepAfter(6)).toBe(6);
  expect(await sleepAfter(0)).toBe(0);
  expect(await sleepAfter(null)).toBe(30);
  expect(await printedSleepAfter('45')).toBe(45);
  expect(await printedSleepAfter('never')).toBe(0);
  expect(await printedSleepAfter('default')).toBe(30);
  for (const wrong of ['5', '-1', 'none'])
    expect((await set('--sleep-after', wrong)).exitCode, wrong).toBe(2);
});

const marked = async (option: string) => (JSON.parse((await set(option)).stdout) as Instance).developer;

it('marks a database as that of a developer', async () => {
  expect(await marked('--developer')).toBe(true);
  expect((await fathom.client.databases.get(ann.database.name)).developer).toBe(true);
  expect(await marked('--no-developer')).toBe(false);
  expect((await change({ developer: true }, ann.token)).status).toBe(403);
  expect((await change({ developer: 'yes' })).status).toBe(400);
});

it.each([
  { memory_mb: 12 },
  { memory_mb: -1 },
  { memory_mb: 1.5 },
  { disk_mb: '5' },
  { sleep_after: 5 },
  { sleep_after: -1 },
  { cpu: 1 },
])('rejects %j', async (body) => {
  expect(await change(body)).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
});

it('is for administrators only, and for user databases only', async () => {
  await call('POST', `${fathom.url}/api/v1/users`, {
    token: admin,
    body: { email: 'operator@example.com', password: PASSWORD, role: 'operator' },
  });
  const operator = (await signIn(fathom.url, 'operator@example.com')).token;
  for (const token of [ann.token, operator])
    for (const body of [{ memory_mb: 0 }, { sleep_after: 0 }])
      expect(await change(body, token)).toMatchObject({ status: 403 });
  const global = await call('PATCH', `${fathom.url}/api/v1/databases/global`, {
    token: admin,
    body: { memory_mb: 64 },
  });
  expect(global.status).toBe(400);
});

it('keeps them when the daemon restarts, and applies an edited row', async () => {
  await change({ memory_mb: 300, sleep_after: 0 });
  await daemon.stop();
  daemon = await fathom.start();
  expect(await limits()).toEqual({ memory_mb: 300, disk_mb: null });
  const rows = (await controlPlane(fathom)).collection('user_databases');
  const row = await rows.getFirstListItem(`name='${ann.database.name}'`);
  expect(row).toMatchObject({ memory_mb: 300, disk_mb: 0, sleep_after: -1 });
  await rows.update(row.id, { memory_mb: 10, disk_mb: 70, sleep_after: 2 });
  await fathom.client.databases.restart('global');
  await until(async () => (await limits()).disk_mb === 70, { what: 'the edited row to apply' });
  // The lowest limit that an instance can work with.
  expect((await limits()).memory_mb).toBe(64);
  expect((await fathom.client.databases.get(ann.database.name)).limits.sleep_after).toBe(6);
});

it('gives the Go runtime of user databases the settings, and a database with a limit a part of that', async () => {
  const other = await deployment({ PB_GOMAXPROCS: '2', PB_GOMEMLIMIT_MB: '96' });
  await other.start();
  const { database } = await signUp(other.url, 'eve@example.com');
  const goOf = async (name: string) => {
    const { pid } = await other.client.databases.get(name);
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return variables.filter((variable) => variable.startsWith('GO')).toSorted();
  };
  expect(await goOf(database.name)).toEqual(['GOMAXPROCS=2', `GOMEMLIMIT=${96 * 1024 ** 2}`]);
  expect(await goOf('global')).toEqual([`GOMEMLIMIT=${Math.floor(totalmem() / 4)}`]);
  await other.client.databases.update(database.name, { memory_mb: 1000 });
  await other.client.databases.restart(database.name);
  expect(await goOf(database.name)).toEqual(['GOMAXPROCS=2', `GOMEMLIMIT=${800 * 1024 ** 2}`]);
});

it('gives the Go runtime a part of the limit, and lets the kernel end instances before the daemon', async () => {
  await change({ memory_mb: 100 });
  const { pid } = await fathom.client.databases.restart(ann.database.name);
  const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  expect(environment).toContain(`GOMEMLIMIT=${80 * 1024 ** 2}`);
  const global = await fathom.client.databases.get('global');
  expect(oomScore(global.pid)).toBeGreaterThan(oomScore(daemon.pid));
  expect(oomScore(pid)).toBeGreaterThan(oomScore(global.pid));
});
