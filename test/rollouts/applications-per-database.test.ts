import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { putFiles } from '../helpers/applications.ts';
import { SCRIPTED } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, signUp, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { changeUserDatabase, hasCollectionIn, readUserDatabase } from '../helpers/user-migrations.ts';
import { killDuringRollout } from './kills.ts';
import { createStage, type RolloutStage, untilEnded } from './stage.ts';

const FAST = { watch_s: 1, canary: 0, max_failures: 9 };
const makes = (name: string) => `migrate(
  (app) => app.save(new Collection({ type: 'base', name: '${name}', listRule: '', createRule: '', fields: [{ type: 'text', name: 'title' }] })),
  (app) => app.delete(app.findCollectionByNameOrId('${name}')),
);`;

let stage: RolloutStage;
let a: string;
let b: string;
let c: string;

beforeAll(async () => {
  // BACKUP_SCHEDULE is off, so that rollouts make no backups.
  stage = await createStage(3, { FATHOM_APPS: 'documents', PB_HEALTH_INTERVAL: '1' });
  [a = '', b = '', c = ''] = stage.tenants.map(({ name }) => name);
  await putFiles(join(stage.fathom.dataDir, 'apps'), {
    'shop/app.json': '{"name":"shop","version":"1.0.0"}',
    'shop/migrations/1800000001_orders.js': makes('orders'),
    'shop/hooks/main.pb.js': "routerAdd('GET', '/shop', (e) => e.string(200, 'shop'));",
    'shop/public/index.html': 'the shop',
    'crm/migrations/1800000002_contacts.js': makes('contacts'),
    'clash/migrations/1800000003_clash.js': `// the same collection as shop\n${makes('orders')}`,
  });
});

afterAll(() => stage?.fathom.dispose(), 120_000);

async function get(name: string, path: string): Promise<number> {
  const { url } = await untilRunning(stage.fathom, name);
  const response = await fetch(`${url}${path}`, { headers: { connection: 'close' } });
  await response.text();
  return response.status;
}

async function change(action: 'add' | 'remove', name: string, databases: string[]) {
  await stage.fathom.client.applications[action](name, { ...FAST, databases });
  return untilEnded(stage.fathom);
}

const applicationsOf = async (name: string) => (await instance(stage.fathom, name)).applications;
const countOrders = (name: string) =>
  readUserDatabase(stage.fathom, name, (database) =>
    Number(database.prepare('SELECT count(*) AS n FROM orders').get()?.['n']),
  );
const run = (...args: string[]) => fathomd(['apps', ...args, '--socket', stage.fathom.socketPath]);

it('adds an application to one database: its migrations, hooks and static files', async () => {
  const { fathom } = stage;
  const before = await instance(fathom, b);
  const { exitCode, stdout } = await run('add', 'shop', a, '--watch', '1');
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('1 of 1 changed')]);
  expect(await applicationsOf(a)).toEqual(['documents', 'shop']);
  expect([await get(a, '/shop'), await get(a, '/')]).toEqual([200, 200]);
  expect(await hasCollectionIn(fathom, a, 'orders')).toBe(true);
  // The other one runs on as it is.
  expect(await instance(fathom, b)).toMatchObject({ pid: before.pid, applications: ['documents'] });
  expect(await get(b, '/shop')).toBe(404);
  expect(await hasCollectionIn(fathom, b, 'orders')).toBe(false);
  const { applications } = await fathom.client.applications.list();
  expect(applications.find(({ name }) => name === 'shop')).toMatchObject({ chosen: false, databases: 1 });
  const audit = (await fathom.client.audit.list({ action: 'application.add' })).items;
  expect(audit).toMatchObject([{ target: expect.stringContaining('shop') as string, outcome: 'ok' }]);
});

it('gives a new database the applications of FATHOM_APPS, and others keep theirs when it changes', async () => {
  const { fathom } = stage;
  await stage.daemon.stop();
  stage.daemon = await fathom.start({ FATHOM_APPS: 'documents,crm' }, SCRIPTED);
  await untilRunning(fathom, a);
  const { name } = await signUp(fathom);
  expect(await applicationsOf(name)).toEqual(['crm', 'documents']);
  expect(await applicationsOf(a)).toEqual(['documents', 'shop']);
  expect(await applicationsOf(b)).toEqual(['documents']);
  await fathom.client.databases.restart(a);
  await fathom.client.databases.restart(b);
  expect([await get(a, '/shop'), await get(b, '/shop')]).toEqual([200, 404]);
  expect(await hasCollectionIn(fathom, b, 'contacts')).toBe(false);
  // No file of an application that another database has is missing in this one.
  expect((await fathom.client.migrations.status()).drift).toEqual([]);
  await fathom.client.databases.delete(name);
});

it('removes hooks and static files, keeps the records, and gives them back', async () => {
  const { fathom } = stage;
  changeUserDatabase(fathom, a, "INSERT INTO orders (id, title) VALUES ('order0000000001', 'kept')");
  const { exitCode, stdout } = await run('remove', 'shop', a, '--watch', '1');
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('records stay')]);
  expect(await applicationsOf(a)).toEqual(['documents']);
  expect([await get(a, '/shop'), countOrders(a)]).toEqual([404, 1]);
  expect((await fathom.client.migrations.status()).drift).toEqual([]);
  expect(await change('add', 'shop', [a])).toMatchObject({ status: 'done', changed: 1 });
  expect([await get(a, '/shop'), countOrders(a)]).toEqual([200, 1]);
});

it('refuses what is unknown or changes nothing', async () => {
  const { applications } = stage.fathom.client;
  await expect(applications.add('nothing', { databases: [a] })).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('there are: clash, crm, documents, shop') as string,
  });
  for (const [action, name, database] of [
    ['add', 'shop', a],
    ['remove', 'shop', b],
    ['add', 'documents', b],
    ['remove', 'documents', b],
  ] as const)
    await expect(applications[action](name, { databases: [database] })).rejects.toMatchObject({
      code: 'conflict',
    });
  await expect(applications.add('shop', { databases: ['2020-01-01-001-x'] })).rejects.toMatchObject({
    code: 'not_found',
  });
  for (const args of [['shop'], ['shop', a, '--all']]) expect((await run('add', ...args)).exitCode).toBe(2);
});

it('says how a database that has an application gets its latest files', async () => {
  const { fathom } = stage;
  const current = await run('add', 'shop', a);
  expect([current.exitCode, current.stderr]).toEqual([1, expect.stringContaining(`(${a}: it has shop)`)]);
  expect(current.stderr).not.toContain('latest files');
  await putFiles(join(fathom.dataDir, 'apps'), { 'shop/hooks/main.pb.js': 'foo();' });
  const broken = await run('add', 'shop', a);
  expect(broken.stderr).toContain('The latest files are not used: shop/hooks/main.pb.js:1: ReferenceError');
  await putFiles(join(fathom.dataDir, 'apps'), {
    'shop/hooks/main.pb.js': "routerAdd('GET', '/shop', (e) => e.string(200, 'the new shop'));",
  });
  const outdated = await run('add', 'shop', a);
  expect([outdated.exitCode, outdated.stderr]).toEqual([
    1,
    expect.stringContaining(
      `${a} lacks the latest files of its applications: see 'fathomd migrations plan', then run` +
        ` 'fathomd migrations apply', or 'fathomd databases restart ${a}'`,
    ),
  ]);
  await fathom.client.databases.restart(a);
  await untilRunning(fathom, a);
  expect((await run('add', 'shop', a)).stderr).not.toContain('latest files');
});

it('refuses applications that do not work together, with file and reason', async () => {
  const { fathom } = stage;
  const error = await fathom.client.applications.add('clash', { databases: [a] }).catch((one: Error) => one);
  expect(error).toMatchObject({ code: 'conflict' });
  expect((error as Error).message).toContain('1800000003_clash.js');
  expect((error as Error).message).toContain('name');
  expect(await applicationsOf(a)).toEqual(['documents', 'shop']);
  expect(await get(a, '/shop')).toBe(200);
});

it('takes back a database whose own collection has the name', async () => {
  const { fathom } = stage;
  // As a superuser of a developer database could make it.
  expect(await change('add', 'clash', [b])).toMatchObject({ changed: 1 });
  expect(await change('remove', 'clash', [b])).toMatchObject({ changed: 1 });
  changeUserDatabase(fathom, b, "INSERT INTO orders (id, title) VALUES ('order0000000002', 'own')");
  const plan = await fathom.client.applications.plan('shop', {
    action: 'add',
    databases: [b],
    rehearse: true,
  });
  expect(plan.rehearsed?.[0]?.problem).toContain('1800000001_orders.js');
  const rollout = await change('add', 'shop', [b]);
  expect(rollout).toMatchObject({ kind: 'add-application', target: 'shop', changed: 0, failed: 1 });
  expect(rollout.problems[0]?.message).toContain('1800000001_orders.js');
  expect(await applicationsOf(b)).toEqual(['documents']);
  expect([await get(b, '/shop'), countOrders(b)]).toEqual([404, 1]);
});

it('changes a database that sleeps, one that is stopped, and none that is archived', async () => {
  const { fathom } = stage;
  await fathom.client.databases.sleep(c, { force: true });
  await untilInstance(fathom, c, ({ phase }) => phase === 'asleep', 'to sleep');
  expect(await change('add', 'crm', [c])).toMatchObject({ changed: 1 });
  expect(await hasCollectionIn(fathom, c, 'contacts')).toBe(true);
  await fathom.client.databases.stop(c);
  expect(await change('add', 'shop', [c])).toMatchObject({ changed: 1 });
  expect(await instance(fathom, c)).toMatchObject({
    phase: 'stopped',
    applications: ['crm', 'documents', 'shop'],
  });
  await fathom.client.databases.start(c);
  expect(await get(c, '/shop')).toBe(200);
  await fathom.client.databases.archive(c);
  await expect(fathom.client.applications.remove('shop', { databases: [c] })).rejects.toMatchObject({
    message: expect.stringContaining('archived') as string,
  });
  await fathom.client.databases.wake(c);
  expect(await get(c, '/shop')).toBe(200);
  expect(await applicationsOf(c)).toEqual(['crm', 'documents', 'shop']);
});

it('keeps the applications of a database that a backup of before them restores', async () => {
  const { fathom } = stage;
  const { id } = await fathom.client.backups.create(a);
  expect(await change('add', 'crm', [a])).toMatchObject({ changed: 1 });
  await fathom.client.backups.restore(a, id);
  expect(await applicationsOf(a)).toEqual(['crm', 'documents', 'shop']);
  expect([await get(a, '/shop'), countOrders(a)]).toEqual([200, 1]);
  expect(await hasCollectionIn(fathom, a, 'contacts')).toBe(true);
});

it('has all of an application or nothing after SIGKILL of the daemon at each step', async () => {
  const { fathom } = stage;
  for (const [round, action] of (['remove', 'add', 'remove', 'add'] as const).entries()) {
    await fathom.client.applications[action]('shop', { ...FAST, databases: [a] });
    await killDuringRollout(stage, 1 + round * 2);
    expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1, problems: [] });
    const isAdded = action === 'add';
    expect((await applicationsOf(a)).includes('shop')).toBe(isAdded);
    expect([await get(a, '/shop'), countOrders(a)]).toEqual([isAdded ? 200 : 404, 1]);
  }
  // The last daemon may still wait for its step.
  await stage.daemon.stop();
  stage.daemon = await fathom.start({}, SCRIPTED);
}, 300_000);

it('adds an application to all databases that lack it', async () => {
  const { exitCode, stdout } = await run('add', 'crm', '--all', '--watch', '1', '--dry-run');
  expect([exitCode, stdout]).toEqual([
    0,
    expect.stringContaining('databases get crm: 1800000002_contacts.js'),
  ]);
  expect((await run('add', 'crm', '--all', '--watch', '1')).exitCode).toBe(0);
  for (const name of [a, b, c]) expect(await applicationsOf(name)).toContain('crm');
});
