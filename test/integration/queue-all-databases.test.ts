import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskSummary } from '../../shared/api/queue.ts';
import type { Schedule } from '../../shared/api/schedules.ts';
import { FathomError } from '../../shared/errors.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp, signUpMany, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { call, signIn } from '../helpers/http-call.ts';
import { finished } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';

const EVERY_SECOND = '* * * * * *';
const DAILY = '0 3 * * *';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let ann: Tenant;
let bob: Tenant;

const start = () => fathom.start({ FATHOM_TASKS_DIR: fathom.filesDir });

beforeAll(async () => {
  fathom = await createDeployment({ RATE_LIMIT_PER_MINUTE: '100000', WORKER_CONCURRENCY: '4' });
  await writeFile(
    join(fathom.filesDir, 'count.mjs'),
    "export default async (_, { database }) => (await database.collection('documents').getList()).totalItems;",
  );
  await writeFile(
    join(fathom.filesDir, 'gated.mjs'),
    `import { access } from 'node:fs/promises';
     export default async (gate) => { for (;;) try { return await access(gate); } catch { await new Promise((r) => setTimeout(r, 100)); } };`,
  );
  daemon = await start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
});

afterAll(() => fathom?.dispose());

const put = (name: string, body: unknown) =>
  call<Schedule>('PUT', `${fathom.url}/api/v1/queue/schedules/${name}`, { token: admin, body });
const set = async (name: string, cron: string, task: { type: string; payload?: unknown }, spread_s = 0) =>
  fathom.client.schedules.set(name, { cron, task, all_databases: { spread_s } });
const find = async (name: string) =>
  (await fathom.client.schedules.list()).items.find((schedule) => schedule.name === name);
const tasksOf = async ({ userId }: Tenant, type: string): Promise<TaskSummary[]> =>
  (await fathom.client.queue.list({ user_id: userId, type, per_page: 500 })).items;
const untilTasks = (tenant: Tenant, type: string, count: number) =>
  until(async () => (await tasksOf(tenant, type)).length >= count, {
    what: () => `${count} tasks of ${tenant.email}`,
  });
const untilPending = (tenant: Tenant) =>
  until(async () => (await tasksOf(tenant, 'count')).find(({ status }) => status === 'pending'), {
    what: 'a task that waits',
  });
const run = (...words: string[]) => fathomd(['queue', ...words, '--socket', fathom.socketPath]);
const remove = (...names: string[]) => Promise.all(names.map((name) => fathom.client.schedules.delete(name)));

it('a schedule over all databases without one runs, and adds no task', async () => {
  const { next_run_at: first } = await set('often', EVERY_SECOND, { type: 'count' });
  await until(async () => (await find('often'))?.next_run_at !== first, { what: 'the next run to move' });
  expect(await find('often')).toMatchObject({ last_run_at: null, all_databases: { spread_s: 0 } });
  expect((await fathom.client.queue.list({ type: 'count' })).total).toBe(0);
  await remove('often');
});

describe('a schedule over all databases', () => {
  beforeAll(async () => {
    [ann, bob] = (await signUpMany(fathom, 2)) as [Tenant, Tenant];
  });

  it('adds tasks for each one, also for new ones, not for deleted ones, and after a restart', async () => {
    await set('often', EVERY_SECOND, { type: 'count' });
    await Promise.all([untilTasks(ann, 'count', 2), untilTasks(bob, 'count', 2)]);
    const cat = await signUp(fathom, 'cat');
    await untilTasks(cat, 'count', 1);
    const [first] = await tasksOf(cat, 'count');
    expect(await finished(fathom, first?.id ?? '')).toMatchObject({ status: 'done', result: 0 });
    await daemon.stop();
    const before = (await tasksOf(ann, 'count').catch(() => [])).length;
    daemon = await start();
    const { status } = await call('DELETE', `${fathom.url}/api/v1/users/${cat.userId}`, { token: admin });
    expect(status).toBe(204);
    await untilTasks(ann, 'count', before + 3);
    expect(await tasksOf(cat, 'count')).toEqual([]);
    const schedule = await find('often');
    expect(schedule).toMatchObject({ last_run_at: expect.any(String) as string });
    expect(schedule).not.toHaveProperty('error');
    await remove('often');
  });

  it('adds no second task of a database while one is not finished', async () => {
    const gate = join(fathom.filesDir, 'gate');
    await set('slow', EVERY_SECOND, { type: 'gated', payload: gate });
    await set('beside', EVERY_SECOND, { type: 'count' });
    const count = (await tasksOf(ann, 'count')).length;
    await untilTasks(ann, 'gated', 1);
    await untilTasks(ann, 'count', count + 3);
    for (const tenant of [ann, bob]) expect(await tasksOf(tenant, 'gated')).toHaveLength(1);
    await remove('slow', 'beside');
    await writeFile(gate, '');
    await until(async () => (await tasksOf(ann, 'gated')).every((task) => task.status === 'done'), {
      what: 'the task to end',
    });
    await rm(gate);
  });

  it('wakes a database that sleeps, but leaves out those that are stopped or archived', async () => {
    await until(
      () =>
        fathom.client.databases.sleep(bob.name, { force: true }).catch((error: unknown) => {
          if (!(error instanceof FathomError && error.code === 'conflict')) throw error;
        }),
      { what: 'the database to be unused' },
    );
    const lastUse = async () => (await fathom.client.usage.get(bob.name)).last_used_at;
    const used = await lastUse();
    const before = (await tasksOf(bob, 'count')).length;
    await set('often', EVERY_SECOND, { type: 'count' });
    await untilTasks(bob, 'count', before + 1);
    await untilRunning(fathom, bob.name);
    expect(await lastUse()).toBe(used);
    await fathom.client.databases.stop(ann.name);
    const stopped = (await tasksOf(ann, 'count')).length;
    const more = (await tasksOf(bob, 'count')).length;
    await untilTasks(bob, 'count', more + 3);
    expect((await tasksOf(ann, 'count')).length).toBe(stopped);
    await remove('often');
    await fathom.client.databases.start(ann.name);
  });

  it('does not bring back a database that was archived or stopped while its task waits', async () => {
    await fathom.client.queue.pause();
    await set('often', EVERY_SECOND, { type: 'count' });
    const [ofAnn, ofBob] = [await untilPending(ann), await untilPending(bob)];
    await remove('often');
    await fathom.client.databases.archive(bob.name);
    await fathom.client.databases.stop(ann.name);
    await fathom.client.queue.resume();
    for (const { id } of [ofAnn, ofBob])
      expect(await finished(fathom, id)).toMatchObject({
        status: 'done',
        result: { skipped: expect.any(String) as string },
      });
    expect(await fathom.client.databases.get(bob.name)).toMatchObject({
      phase: 'asleep',
      reason: { code: 'archived' },
    });
    expect((await fathom.client.databases.get(ann.name)).phase).toBe('stopped');
    const own = await fathom.client.queue.add({ type: 'count', user_id: bob.userId });
    expect(await finished(fathom, own.id)).toMatchObject({ status: 'done', result: 0 });
    await fathom.client.databases.start(ann.name);
  });

  it('adds each task once when the daemon is killed between them', async () => {
    const tenants = [ann, bob, ...(await signUpMany(fathom, 8))];
    const at = new Date(Date.now() + 2_000);
    const [minute, hour, second] = [at.getUTCMinutes(), at.getUTCHours(), at.getUTCSeconds()];
    const before = new Map(
      await Promise.all(
        tenants.map(async (one) => [one.name, (await tasksOf(one, 'count')).length] as const),
      ),
    );
    const added = async () => {
      const counts = tenants.map(
        async (one) => (await tasksOf(one, 'count')).length - (before.get(one.name) ?? 0),
      );
      return (await Promise.all(counts)).toSorted((a, b) => a - b);
    };
    const total = async () => (await added()).reduce((sum, count) => sum + count, 0);
    await set('once', `${second} ${minute} ${hour} * * *`, { type: 'count' }, 10);
    for (const part of [1, 4]) {
      await until(async () => (await total()) >= part, { what: `${part} tasks` });
      daemon.signal('SIGKILL');
      await daemon.exited;
      daemon = await start();
    }
    const tomorrow = Date.now() + 20 * 3_600_000;
    await until(async () => Date.parse((await find('once'))?.next_run_at ?? '') > tomorrow, {
      what: async () => `all to be added: ${JSON.stringify([await find('once'), await added()])}`,
    });
    expect(await added()).toEqual(tenants.map(() => 1));
    await remove('once');
  });

  it('that was stored with another form does not run, and says so', async () => {
    await set('edited', EVERY_SECOND, { type: 'count' });
    await set('beside', EVERY_SECOND, { type: 'count' });
    const client = new PocketBase(fathom.globalUrl);
    await client.collection('_superusers').authWithPassword(fathom.admin.email, fathom.admin.password);
    const schedules = client.collection('queue_schedules');
    const { id } = await schedules.getFirstListItem("name = 'edited'");
    await schedules.update(id, { all_databases: { spread_s: 'long' } });
    await until(async () => (await find('edited'))?.error?.includes('spread_s'), { what: 'an error' });
    expect(await find('beside')).not.toHaveProperty('error');
    await remove('edited', 'beside');
  });

  it.each([
    ['all_databases.spread_s', { all_databases: { spread_s: -1 } }],
    ['all_databases.spread_s', { all_databases: { spread_s: 1.5 } }],
    ['all_databases.spread_s', { all_databases: { spread_s: 1e12 } }],
    ['all_databases.spread_s', { all_databases: { spread_s: '60' } }],
    ['all_databases', { all_databases: true }],
    ['all_databases.archived', { all_databases: { archived: true } }],
    ['task.user_id', { all_databases: {}, task: { type: 'count', user_id: 'a'.repeat(15) } }],
    ['task.unique_key', { all_databases: {}, task: { type: 'count', unique_key: 'one' } }],
    ['cron', { all_databases: {}, cron: 'wat' }],
  ])('names %s in %j', async (path, more) => {
    expect(await put('bad', { cron: DAILY, task: { type: 'count' }, ...more })).toMatchObject({
      status: 400,
      body: { code: 'request.invalid', errors: [{ path }] },
    });
  });

  it('takes a spread that is longer than the time between two matches', async () => {
    const { body } = await put('wide', {
      cron: '* * * * *',
      task: { type: 'count' },
      all_databases: { spread_s: 2_678_400 },
    });
    expect(Date.parse(body.next_run_at ?? '') - Date.now()).toBeLessThan(60_000);
    await remove('wide');
  });

  it('is set, shown and replaced on the command line', async () => {
    const vacuum = ['schedule', 'vacuum', 'database.vacuum', '--cron', DAILY];
    expect(await run(...vacuum, '--all')).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await find('vacuum'))?.all_databases).toEqual({ spread_s: 3600 });
    expect((await run('schedules')).stdout).toMatch(/vacuum +database\.vacuum.*all databases/);
    expect(await run(...vacuum, '--all', '--spread', '60')).toMatchObject({ exitCode: 0 });
    expect((await find('vacuum'))?.all_databases).toEqual({ spread_s: 60 });
    expect((await run(...vacuum, '--all', '--user', ann.userId)).stderr).toContain('user_id');
    expect(await run(...vacuum, '--spread', '60')).toMatchObject({ exitCode: 2 });
    expect(await run(...vacuum, '--user', ann.userId)).toMatchObject({ exitCode: 0 });
    expect((await find('vacuum'))?.all_databases).toBeNull();
    await remove('vacuum');
  });
});
