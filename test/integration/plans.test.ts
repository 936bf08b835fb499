import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';

let fathom: Deployment;
let admin: string;
let ann: Session;

beforeAll(async () => {
  fathom = await createDeployment({ DATABASE_DISK_MB: '700', API_KEYS_PER_USER: '5' });
  await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
});

afterAll(() => fathom.dispose());

function run(...args: string[]) {
  return fathomd([...args, '--socket', fathom.socketPath]);
}

function send<T = Problem>(method: string, path: string, body?: unknown, token = admin) {
  return call<T>(method, `${fathom.url}/api/v1${path}`, { token, body });
}

async function limitsOfAnn() {
  return (await fathom.client.databases.get(ann.database.name)).limits;
}

const MIB = 1024 * 1024;

describe('plans', () => {
  it('begin with the default one, which has the limits of the settings', async () => {
    expect(await fathom.client.plans.all()).toMatchObject([
      { name: 'default', disk_mb: 700, memory_mb: null, api_keys: 5, own: [], users: 2 },
    ]);
    expect(await limitsOfAnn()).toEqual({ memory_bytes: null, disk_bytes: 700 * MIB, sleep_after: 0 });
  });

  it('are set by a command, and apply to their users at once', async () => {
    const set = await run('plans', 'set', 'pro', '--memory-mb', '512', '--disk-mb', 'none', '--json');
    expect(set).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(set.stdout)).toMatchObject({
      name: 'pro',
      memory_mb: 512,
      disk_mb: null,
      api_keys: 5,
      own: ['memory_mb', 'disk_mb'],
      users: 0,
    });
    expect(await run('users', 'set', 'ann@example.com', '--plan', 'pro')).toMatchObject({ exitCode: 0 });
    expect(await limitsOfAnn()).toEqual({ memory_bytes: 512 * MIB, disk_bytes: null, sleep_after: 0 });
    await run('plans', 'set', 'pro', '--disk-mb', '900');
    expect(await limitsOfAnn()).toEqual({ memory_bytes: 512 * MIB, disk_bytes: 900 * MIB, sleep_after: 0 });
    await run('databases', 'set', ann.database.name, '--disk-mb', '30');
    expect(await limitsOfAnn()).toEqual({ memory_bytes: 512 * MIB, disk_bytes: 30 * MIB, sleep_after: 0 });
    await run('databases', 'set', ann.database.name, '--disk-mb', 'none');
    expect(await limitsOfAnn()).toEqual({ memory_bytes: 512 * MIB, disk_bytes: 900 * MIB, sleep_after: 0 });
    expect((await fathom.client.users.all({ plan: 'pro' })).map(({ id }) => id)).toEqual([ann.user.id]);
    const listed = JSON.parse((await run('plans', 'list', '--json')).stdout) as object[];
    expect(listed).toMatchObject([
      { name: 'default', users: 1 },
      { name: 'pro', users: 1 },
    ]);
  });

  it('set the time after which databases sleep', async () => {
    const set = await run('plans', 'set', 'pro', '--sleep-after', '30', '--json');
    expect(JSON.parse(set.stdout)).toMatchObject({ sleep_after: 30 });
    expect(await limitsOfAnn()).toMatchObject({ sleep_after: 30 });
    await run('databases', 'set', ann.database.name, '--sleep-after', 'never');
    expect(await limitsOfAnn()).toMatchObject({ sleep_after: 0 });
    await run('databases', 'set', ann.database.name, '--sleep-after', 'default');
    expect(await limitsOfAnn()).toMatchObject({ sleep_after: 30 });
    await run('plans', 'set', 'pro', '--sleep-after', 'never');
    expect(await limitsOfAnn()).toMatchObject({ sleep_after: 0 });
    expect((await run('plans', 'set', 'pro', '--sleep-after', 'none')).exitCode).toBe(2);
  });

  it('are not deleted while a user has them', async () => {
    expect(await send('DELETE', '/plans/pro')).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await fathom.client.plans.set('short', { tasks: 3 });
    expect((await run('plans', 'delete', 'short')).exitCode).toBe(0);
    expect(await send('DELETE', '/plans/short')).toMatchObject({ status: 404 });
  });

  it('keep every one of several changes at the same time, also while the plan is added', async () => {
    const changes = { memory_mb: 512, disk_mb: 900, api_keys: 7, sessions: 8, streams: 9, tasks: 10 };
    const answers = await Promise.all(
      Object.entries(changes).map(([limit, value]) => send('PATCH', '/plans/busy', { [limit]: value })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const find = async () => (await fathom.client.plans.all()).find(({ name }) => name === 'busy');
    expect(await find()).toMatchObject(changes);
    await fathom.client.plans.delete('busy');
  });

  it('keep every one of several changes of a user and of a database at the same time', async () => {
    const bob = await signUp(fathom.url, 'bob@example.com');
    const path = `/databases/${bob.database.name}`;
    const answers = await Promise.all([
      send('PATCH', path, { memory_mb: 300 }),
      send('PATCH', path, { disk_mb: 400 }),
      send('PATCH', path, { developer: true }),
      send('PATCH', `/users/${bob.user.id}`, { plan: 'pro' }),
      send('PATCH', `/users/${bob.user.id}`, { verified: true }),
      send('PATCH', `/users/${bob.user.id}`, { role: 'user' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await fathom.client.databases.get(bob.database.name)).limits).toEqual({
      memory_bytes: 300 * MIB,
      disk_bytes: 400 * MIB,
      sleep_after: 0,
    });
    expect(await fathom.client.users.get(bob.user.id)).toMatchObject({ plan: 'pro', verified: true });
    await fathom.client.users.update(bob.user.id, { plan: 'default' });
  });

  it.each([
    ['a negative limit', { disk_mb: -1 }],
    ['no disk at all', { disk_mb: 0 }],
    ['too little memory for PocketBase', { memory_mb: 63 }],
    ['a sleep before silent connections end', { sleep_after: 5 }],
    ['a sleep without a time', { sleep_after: null }],
    ['more than a limit can be', { api_keys: 1e12 }],
    ['a fraction', { tasks: 1.5 }],
    ['text', { tasks: 'many' }],
    ['no session', { sessions: 0 }],
    ['an unknown limit', { colour: 3 }],
  ])('refuse %s', async (_, body) => {
    expect(await send('PATCH', '/plans/odd', body)).toMatchObject({ status: 400 });
    expect((await fathom.client.plans.all()).map(({ name }) => name)).not.toContain('odd');
  });

  it.each(['..', 'A', 'a b', '-a', 'x'.repeat(41), 'ä'])('refuse the name %j', async (name) => {
    const { status } = await send('PATCH', `/plans/${encodeURIComponent(name)}`, {});
    expect([400, 404]).toContain(status);
  });

  it('keep the limits of the default plan for users whose plan is gone', async () => {
    await fathom.client.plans.set('gone', { disk_mb: 50 });
    await fathom.client.users.update(ann.user.id, { plan: 'gone' });
    expect(await limitsOfAnn()).toMatchObject({ disk_bytes: 50 * MIB });
    await asSuperuser('DELETE', await idOfPlan('gone'));
    await fathom.client.plans.all();
    expect(await limitsOfAnn()).toMatchObject({ disk_bytes: 700 * MIB });
    expect(await send('PATCH', `/users/${ann.user.id}`, { plan: 'gone' })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'plan' }] },
    });
  });

  it('ignore invalid limits in a row that was edited by hand', async () => {
    await fathom.client.plans.set('edited', { disk_mb: 50, tasks: 7 });
    await asSuperuser('PATCH', await idOfPlan('edited'), { limits: { disk_mb: 'x', tasks: 7 } });
    const plans = await fathom.client.plans.all();
    expect(plans.find(({ name }) => name === 'edited')).toMatchObject({ disk_mb: 700, tasks: 7 });
  });

  it('are read by viewers and written by administrators, with an entry in the audit log', async () => {
    expect(await send('GET', '/plans', undefined, ann.token)).toMatchObject({ status: 403 });
    expect(await send('PATCH', '/plans/pro', {}, ann.token)).toMatchObject({ status: 403 });
    const { items } = await fathom.client.audit.list({ target: 'pro' });
    expect(new Set(items.map(({ action }) => action))).toEqual(new Set(['plan.set', 'plan.delete']));
  });

  it('leave their new limits in the audit log, as databases and users do', async () => {
    await send('PATCH', '/plans/logged', { disk_mb: 123, tasks: null });
    await send('PATCH', `/databases/${ann.database.name}`, { memory_mb: 128 });
    await send('PATCH', `/users/${ann.user.id}`, { verified: true });
    const { items } = await fathom.client.audit.list({ per_page: 3 });
    expect(items.map(({ detail }) => JSON.parse(detail) as object)).toEqual([
      { status: 200, verified: true },
      { status: 200, memory_mb: 128 },
      { status: 200, disk_mb: 123, tasks: null },
    ]);
  });

  it('are given to a new user by a command', async () => {
    const added = await run('users', 'add', 'new@example.com', '--plan', 'logged', '--json');
    expect(added).toMatchObject({ exitCode: 0 });
    const user = JSON.parse(added.stdout) as { plan: string; database: string };
    expect(user.plan).toBe('logged');
    expect((await fathom.client.databases.get(user.database)).limits.disk_bytes).toBe(123 * MIB);
    expect(await run('users', 'add', 'other@example.com', '--plan', 'no-such')).toMatchObject({
      exitCode: 2,
    });
    expect(await fathom.client.users.all({ email: 'other@example.com' })).toEqual([]);
  });

  it('have limits for the things that administrators add for a user, also over the local socket', async () => {
    await fathom.client.plans.set('none-at-all', { api_keys: 0, tasks: 0 });
    await fathom.client.users.update(ann.user.id, { plan: 'none-at-all' });
    const key = { name: 'key', user_id: ann.user.id };
    await expect(fathom.client.apiKeys.add(key)).rejects.toMatchObject({ code: 'limit.reached' });
    const task = { type: 'database.vacuum', user_id: ann.user.id };
    await expect(fathom.client.queue.add(task)).rejects.toMatchObject({ code: 'limit.reached' });
  });

  it('accept the same largest limit as a database', async () => {
    const largest = 2 ** 30;
    expect(await send('PATCH', '/plans/large', { disk_mb: largest })).toMatchObject({ status: 200 });
    expect(await send('PATCH', '/plans/large', { disk_mb: largest + 1 })).toMatchObject({ status: 400 });
  });

  it('print readable lists, and what was deleted', async () => {
    const { stdout } = await run('plans', 'set', 'printed', '--disk-mb', '50', '--tasks', 'none');
    expect(stdout).toContain('own: disk_mb, tasks\n');
    expect(await run('plans', 'delete', 'printed')).toMatchObject({ stdout: 'deleted printed' });
    const missing = await run('plans', 'delete', 'printed');
    expect(missing.stderr.match(/plans list/g)).toHaveLength(1);
    const database = await run('databases', 'set', ann.database.name, '--disk-mb', '50');
    expect(database.stdout).toContain(`limits.disk_bytes: ${50 * MIB}\n`);
  });
});

it('does not let a user choose a plan at the global PocketBase', async () => {
  await fathom.client.plans.set('rich', { disk_mb: null });
  const users = `${fathom.globalUrl}/api/collections/users/records`;
  const created = await call<{ id: string }>('POST', users, {
    body: { email: 'mal@example.com', password: PASSWORD, passwordConfirm: PASSWORD, plan: 'rich' },
  });
  expect(created.status).toBe(200);
  expect(JSON.stringify(created.body)).not.toContain('rich');
  const auth = await call<{ token: string }>('POST', users.replace('records', 'auth-with-password'), {
    body: { identity: 'mal@example.com', password: PASSWORD },
  });
  const { id } = created.body;
  await call('PATCH', `${users}/${id}`, {
    headers: { authorization: auth.body.token },
    body: { plan: 'rich' },
  });
  expect(await fathom.client.users.get(id)).toMatchObject({ plan: 'default' });
  const signUpWithPlan = { email: 'mal2@example.com', password: PASSWORD, plan: 'rich' };
  expect(await send('POST', '/auth/register', signUpWithPlan)).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'plan' }] },
  });
});

async function superuserToken(): Promise<string> {
  const { body } = await call<{ token: string }>(
    'POST',
    `${fathom.globalUrl}/api/collections/_superusers/auth-with-password`,
    { body: { identity: fathom.admin.email, password: fathom.admin.password } },
  );
  return body.token;
}

async function asSuperuser<T>(method: string, path: string, body?: unknown) {
  const url = `${fathom.globalUrl}/api/collections/plans/records${path}`;
  return call<T>(method, url, { headers: { authorization: await superuserToken() }, body });
}

async function idOfPlan(name: string): Promise<string> {
  const { body } = await asSuperuser<{ items: { id: string }[] }>('GET', `?filter=(name='${name}')`);
  return `/${body.items[0]?.id}`;
}
