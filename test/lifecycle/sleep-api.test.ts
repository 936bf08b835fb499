import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Session as ApiSession } from '../../shared/api/accounts/auth.ts';
import type { Page } from '../../shared/api/contract/page.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { LifecycleInstance } from '../../shared/api/lifecycle.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, type LifecycleAnswer, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { finished } from '../helpers/queue.ts';
import { Realtime } from '../helpers/realtime.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let admin: string;
let ann: Session;
let bob: Session;

beforeAll(async () => {
  ({ fathom } = await startedDeployment({ EDGE_TOKEN: 'e'.repeat(32) }));
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
});

afterAll(() => fathom.dispose());

const show = () => fathom.client.databases.get(ann.database.name);
const operate = (operation: string, token = admin, name = ann.database.name, body?: object) =>
  call<Instance & { code: string }>('POST', `${fathom.url}/api/v1/databases/${name}/${operation}`, {
    token,
    ...(body && { body }),
  });
const run = (...args: string[]) => fathomd([...args, '--socket', fathom.socketPath]);
const get = <T = unknown>(path: string, token = admin) => call<T>('GET', fathom.url + path, { token });
const health = async () => (await get('/health/pb')).body;

async function wakesBySignIn(): Promise<number> {
  const metrics = (await get<string>('/metrics')).body;
  return Number(/^fathom_wakes_total\{by="sign_in"\} (\d+)$/m.exec(metrics)?.[1]);
}

/** Connections of earlier requests may still be open. */
const sleep = () =>
  until(async () => (await operate('sleep')).status === 200, { what: 'the database to sleep' });

describe('a database', () => {
  afterEach(() => operate('start'));

  it('sleeps and wakes by request of its owner', async () => {
    await until(async () => (await operate('sleep', ann.token)).status === 200, { what: 'the sleep' });
    expect(await show()).toMatchObject({
      phase: 'asleep',
      desired: 'running',
      reason: { code: 'requested' },
      pid: null,
      url: ann.database.url,
    });
    expect(await operate('sleep', ann.token)).toMatchObject({ status: 200, body: { phase: 'asleep' } });
    expect(await operate('wake', ann.token)).toMatchObject({ status: 200, body: { phase: 'running' } });
    expect(await operate('wake', ann.token)).toMatchObject({ status: 200, body: { phase: 'running' } });
    const { body } = await get<Page<{ action: string; target: string }>>('/api/v1/audit?per_page=20');
    for (const action of ['database.sleep', 'database.wake'])
      expect(body.items).toContainEqual(expect.objectContaining({ action, target: ann.database.name }));
  });

  it('is not put to sleep by others, with connections only if it is forced, and never while it is stopped', async () => {
    expect((await operate('sleep', bob.token)).status).toBe(403);
    expect((await operate('wake', bob.token)).status).toBe(403);
    expect(await operate('sleep', admin, 'global')).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    const realtime = new Realtime(ann.database.url);
    await realtime.connect();
    expect(await operate('sleep')).toMatchObject({ status: 409, body: { code: 'conflict' } });
    const force = () => operate('sleep', admin, ann.database.name, { force: true });
    await until(async () => (await force()).status === 200, { what: 'the sleep in spite of a connection' });
    expect((await show()).phase).toBe('asleep');
    realtime.close();
    await operate('stop');
    for (const operation of ['sleep', 'wake'])
      expect(await operate(operation), operation).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await show()).phase).toBe('stopped');
  });

  it('sleeps and wakes by command', async () => {
    await until(async () => (await run('databases', 'sleep', ann.database.name)).exitCode === 0, {
      what: 'the sleep',
    });
    expect((await show()).phase).toBe('asleep');
    const woken = await run('databases', 'wake', ann.database.name, '--json');
    expect(JSON.parse(woken.stdout)).toMatchObject({ phase: 'running' });
    await sleep();
    const started = await run('databases', 'start', ann.database.name, '--json');
    expect(JSON.parse(started.stdout)).toMatchObject({ phase: 'running' });
  });

  it('can be stopped, restarted and changed while it sleeps', async () => {
    await sleep();
    expect(await operate('stop')).toMatchObject({ status: 200, body: { phase: 'stopped' } });
    await operate('start');
    await sleep();
    expect(await operate('restart')).toMatchObject({ status: 200, body: { phase: 'running' } });
    await sleep();
    await fathom.client.databases.update(ann.database.name, { disk_mb: 900 });
    expect(await show()).toMatchObject({ phase: 'asleep', limits: { disk_bytes: 900 * 1024 ** 2 } });
  });
});

describe('a database that sleeps', () => {
  beforeEach(sleep);

  it('is available', async () => {
    expect(await health()).toMatchObject({
      status: 'ok',
      total_instances: 2,
      running_instances: 1,
      asleep_instances: 1,
    });
    const status = await get<{ instance: LifecycleInstance }>(
      `/api/users/${ann.user.id}/pb_status`,
      ann.token,
    );
    expect(status.body.instance).toMatchObject({ status: 'Stopped', asleep: true, url: ann.database.url });
    const headers = { 'fathom-edge-token': 'e'.repeat(32) };
    const edge = `${fathom.url}/api/v1/edge/databases/${ann.database.name}`;
    expect((await call('GET', edge, { headers })).body).toEqual({ port: ann.database.port });
    await operate('wake');
    expect(await health()).toMatchObject({ status: 'ok', running_instances: 2, asleep_instances: 0 });
  });

  it('runs after a start by the lifecycle API', async () => {
    const path = `${fathom.url}/api/users/${ann.user.id}/init_pb`;
    const { body } = await call<LifecycleAnswer>('POST', path, { token: ann.token });
    expect(body.instance).toMatchObject({ status: 'Running', url: ann.database.url });
    expect(body.instance).not.toHaveProperty('asleep');
  });

  it('is not woken by those who observe it', async () => {
    const name = ann.database.name;
    for (const path of [
      '/api/v1/status',
      '/api/v1/databases',
      `/api/v1/databases/${name}`,
      `/api/v1/databases/${name}/metrics`,
      `/api/v1/databases/${name}/usage`,
      `/api/v1/databases/${name}/logs?source=all`,
      '/api/v1/events',
      '/api/v1/usage',
      '/api/v1/migrations',
      '/api/v1/doctor',
      '/metrics',
      '/health/pb',
    ])
      expect((await get(path)).status, path).toBe(200);
    for (const words of [['status'], ['databases', 'list', '--check'], ['databases', 'show', name]])
      expect((await run(...words)).exitCode, words.join(' ')).toBe(0);
    const own = await get<ApiSession['database']>('/api/v1/me/database', ann.token);
    expect(own.body).toMatchObject({ status: 'Stopped', asleep: true, url: ann.database.url });
    await fathom.client.users.update(ann.user.id, { verified: true });
    expect((await show()).phase).toBe('asleep');
  });

  it('is counted and measured when it wakes, with its name for those who may see it', async () => {
    await operate('wake');
    const text = (await get<string>('/metrics')).body;
    expect(text).toMatch(/^fathom_wakes_total\{by="command"\} [1-9]/m);
    expect(text).toMatch(/^fathom_wake_seconds_count [1-9]/m);
    const { wakes } = await fathom.client.daemon.status();
    expect(wakes.last_hour).toBeGreaterThan(0);
    expect(wakes.slowest).toContainEqual(
      expect.objectContaining({ database: ann.database.name, by: 'command' }),
    );
  });

  it('runs when its owner has signed in or exchanged a token', async () => {
    const session = await signIn(fathom.url, 'ann@example.com');
    expect(session.database).toMatchObject({ status: 'Running', url: ann.database.url });
    expect(session.database).not.toHaveProperty('asleep');
    expect((await show()).phase).toBe('running');
    const atGlobal = `${fathom.globalUrl}/api/collections/users/auth-with-password`;
    const body = { identity: 'ann@example.com', password: 'a-good-password' };
    await sleep();
    const signedIn = await call<{ token: string; meta: ApiSession }>('POST', atGlobal, { body });
    expect(signedIn.body.meta.database).toMatchObject({
      status: 'Running',
      token: expect.any(String) as string,
    });
    await sleep();
    const exchange = { body: { token: signedIn.body.token } };
    const exchanged = await call<ApiSession>('POST', `${fathom.url}/api/v1/auth/exchange`, exchange);
    expect(exchanged.body.database).toMatchObject({ status: 'Running', token: expect.any(String) as string });
    const records = `${session.database.url}/api/collections/documents/records`;
    const headers = { authorization: session.database.token };
    expect((await call('GET', records, { headers })).status).toBe(200);
  });

  it('wakes once for several sign-ins at the same time', async () => {
    const before = await wakesBySignIn();
    const sessions = await Promise.all(
      Array.from({ length: 4 }, () => signIn(fathom.url, 'ann@example.com')),
    );
    expect(sessions.map(({ database }) => database)).toEqual(
      sessions.map(() => expect.objectContaining({ status: 'Running', url: ann.database.url }) as unknown),
    );
    expect(await wakesBySignIn()).toBe(before + 1);
  });

  it('runs for tasks, and for administrators who read its records', async () => {
    const { id } = await fathom.client.queue.add({ type: 'database.vacuum', user_id: ann.user.id });
    expect((await finished(fathom, id)).status).toBe('done');
    await sleep();
    expect((await get(`/api/v1/databases/${ann.database.name}/collections`)).status).toBe(200);
    expect((await show()).phase).toBe('running');
  });
});
