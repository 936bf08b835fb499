import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LifecycleInstance } from '../../shared/api/lifecycle.ts';
import { createClient } from '../../shared/client/fathom-client.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { call, type LifecycleAnswer, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let ann: Session;
let bob: Session;

beforeAll(async () => {
  fathom = await createDeployment();
  daemon = await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
});

afterAll(() => fathom.dispose());

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/) as string;

function expectedInstance({ user, database }: Session, status: string): LifecycleInstance {
  return {
    user_id: user.id,
    port: database.port,
    db_path: `${fathom.dataDir}/user_dbs/${database.name}/pb_data`,
    url: database.url,
    status: status as LifecycleInstance['status'],
    created_at: TIME,
    last_health_check: TIME,
  };
}

function post(path: string, token?: string, body?: unknown) {
  return call<LifecycleAnswer>('POST', `${fathom.url}${path}`, { token, body });
}

function pbStatus(id: string, token?: string) {
  return call<{ user_id: string; instance: LifecycleInstance | null } & LifecycleAnswer>(
    'GET',
    `${fathom.url}/api/users/${id}/pb_status`,
    { token },
  );
}

async function pidOf({ database }: Session): Promise<number | null> {
  return (await fathom.client.databases.get(database.name)).pid;
}

describe('the lifecycle API', () => {
  it('init_pb answers with the instance that runs, for its user and for administrators', async () => {
    const pid = await pidOf(ann);
    for (const token of [ann.token, admin]) {
      for (const body of [undefined, {}, { force_restart: false }]) {
        expect(await post(`/api/users/${ann.user.id}/init_pb`, token, body)).toMatchObject({
          status: 200,
          body: {
            success: true,
            message: `PocketBase instance initialized on port ${ann.database.port}`,
            instance: expectedInstance(ann, 'Running'),
          },
        });
      }
    }
    expect(await pidOf(ann)).toBe(pid);
  });

  it('init_pb with force_restart makes a new process of the same database', async () => {
    const pid = await pidOf(ann);
    const { status, body } = await post(`/api/users/${ann.user.id}/init_pb`, ann.token, {
      force_restart: true,
    });
    expect({ status, instance: body.instance }).toEqual({
      status: 200,
      instance: expectedInstance(ann, 'Running'),
    });
    expect(await pidOf(ann)).not.toBe(pid);
  });

  it('pb_status, stop_pb and init_pb follow each other', async () => {
    const { id } = ann.user;
    expect((await pbStatus(id, ann.token)).body).toEqual({
      user_id: id,
      instance: expectedInstance(ann, 'Running'),
    });

    const stopped = await post(`/api/users/${id}/stop_pb`, ann.token);
    expect(stopped.status).toBe(200);
    expect(stopped.body).toEqual({ success: true, message: 'PocketBase instance stopped successfully' });
    expect((await pbStatus(id, admin)).body.instance).toMatchObject({ status: 'Stopped' });
    await expect(fetch(`${ann.database.url}/api/health`)).rejects.toThrow();
    const [row] = (await databaseRows(fathom)).filter(({ user }) => user === id);
    expect(row?.desired).toBe('stopped');

    // Stopping what is stopped is no error.
    expect(await post(`/api/users/${id}/stop_pb`, ann.token)).toMatchObject({ status: 200 });

    expect(await post(`/api/users/${id}/init_pb`, ann.token)).toMatchObject({
      status: 200,
      body: { instance: { status: 'Running', port: ann.database.port } },
    });
    expect((await fetch(`${ann.database.url}/api/health`)).status).toBe(200);
  });

  it('pb_instances and /health/pb count what there is', async () => {
    const instances = await call<object>('GET', `${fathom.url}/api/pb_instances`, { token: admin });
    expect(instances).toMatchObject({ status: 200 });
    expect(instances.body).toEqual({
      instances: {
        [ann.user.id]: expectedInstance(ann, 'Running'),
        [bob.user.id]: expectedInstance(bob, 'Running'),
      },
      count: 2,
    });
    await post(`/api/users/${bob.user.id}/stop_pb`, admin);
    const health = await call<object>('GET', `${fathom.url}/health/pb`);
    expect(health.body).toEqual({
      status: 'ok',
      total_instances: 2,
      running_instances: 1,
      asleep_instances: 0,
      timestamp: TIME,
    });
    await post(`/api/users/${bob.user.id}/init_pb`, admin);
  });

  it('gives a database to a user who has none yet', async () => {
    const { id } = await fathom.client.users.add({
      email: 'late@example.com',
      password: 'a-good-password',
      role: 'viewer',
    });
    expect((await pbStatus(id, admin)).body).toEqual({ user_id: id, instance: null });
    expect(await post(`/api/users/${id}/stop_pb`, admin)).toMatchObject({ status: 404 });
    // Not while the role is not given one.
    expect(await post(`/api/users/${id}/init_pb`, admin)).toMatchObject({ status: 409 });
    await fathom.client.users.update(id, { role: 'user' });
    expect(await post(`/api/users/${id}/init_pb`, admin)).toMatchObject({
      status: 200,
      body: { success: true, instance: { user_id: id, status: 'Running' } },
    });
  });

  it('comes back with init_pb, or by itself, after a crash', async () => {
    const pid = await pidOf(bob);
    process.kill(pid ?? 0, 'SIGKILL');
    await until(async () => ![pid, null].includes(await pidOf(bob)), { what: 'another process' });
    expect(await post(`/api/users/${bob.user.id}/init_pb`, bob.token)).toMatchObject({
      status: 200,
      body: { instance: { status: 'Running' } },
    });
  });
});

function failure() {
  return { success: false, message: expect.stringMatching(/^Process error: ./) as string, instance: null };
}

describe("the lifecycle API's errors", () => {
  it.each([
    ['POST', 'init_pb'],
    ['POST', 'stop_pb'],
    ['GET', 'pb_status'],
  ])('%s %s tells them in its own form', async (method, action) => {
    const url = (id: string) => `${fathom.url}/api/users/${id}/${action}`;
    const anonymous = await call(method, url(ann.user.id));
    expect(anonymous.status).toBe(401);
    expect(anonymous.body).toEqual(failure());

    const forged = await call(method, url(ann.user.id), { token: 'x.y.z' });
    expect({ status: forged.status, body: forged.body }).toEqual({
      status: 401,
      body: failure(),
    });

    const other = await call(method, url(ann.user.id), { token: bob.token });
    expect({ status: other.status, body: other.body }).toEqual({
      status: 403,
      body: failure(),
    });

    const unknown = await call(method, url('nosuchuser00000'), { token: admin });
    expect({ status: unknown.status, body: unknown.body }).toEqual({
      status: 404,
      body: failure(),
    });
  });

  it('covers bodies that are not valid', async () => {
    for (const body of [{ force_restart: 'yes' }, '{"force_restart":', [1]]) {
      const answer = await post(`/api/users/${ann.user.id}/init_pb`, ann.token, body);
      expect({ status: answer.status, body: answer.body }).toEqual({
        status: 400,
        body: failure(),
      });
    }
  });

  it('covers pb_instances, which is for administrators', async () => {
    const url = `${fathom.url}/api/pb_instances`;
    const anonymous = await call('GET', url);
    expect({ status: anonymous.status, body: anonymous.body }).toEqual({
      status: 401,
      body: failure(),
    });
    const user = await call('GET', url, { token: ann.token });
    expect({ status: user.status, body: user.body }).toEqual({
      status: 403,
      body: failure(),
    });
  });
});

async function scrape(token?: string): Promise<string> {
  const { status, body, headers } = await call<string>('GET', `${fathom.url}/metrics`, { token });
  expect({ status, type: headers.get('content-type') }).toEqual({
    status: 200,
    type: expect.stringContaining('text/plain') as string,
  });
  return body;
}

describe('what watches the daemon', () => {
  it('health, readiness and status', async () => {
    expect((await call<object>('GET', `${fathom.url}/health`)).body).toEqual({ status: 'ok' });
    expect((await call<object>('GET', `${fathom.url}/health/ready`)).body).toEqual({
      status: 'ok',
      waiting_for: null,
    });
    const status = await call<object>('GET', `${fathom.url}/api/v1/status`, { token: admin });
    expect(status.body).toMatchObject({
      pid: daemon.pid,
      ready: true,
      api_url: fathom.url,
      global_url: fathom.globalUrl,
      total_instances: 4,
    });
    const { token } = ann;
    expect((await call('GET', `${fathom.url}/api/v1/status`, { token })).status).toBe(403);
    expect((await call('GET', `${fathom.url}/api/v1/status`)).status).toBe(401);
    const local = createClient({ target: { socketPath: fathom.socketPath } });
    expect((await local.daemon.status()).permissions).toContain('databases.delete');
    const looking = createClient({ target: { socketPath: fathom.socketPath }, role: 'viewer' });
    expect((await looking.daemon.status()).permissions).toEqual(expect.arrayContaining(['databases.read']));
    expect((await looking.daemon.status()).permissions).not.toContain('databases.delete');
  });

  it('metrics name databases to administrators alone', async () => {
    const keyFor = async (...permissions: string[]) =>
      (
        await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
          token: admin,
          body: { name: 'prometheus', permissions },
        })
      ).body.key;
    const scraper = await keyFor('metrics.read');
    const other = await keyFor('status.read');
    for (const text of [await scrape(), await scrape(ann.token), await scrape(other)]) {
      expect(text).toMatch(/^fathom_instances\{phase="running"\} \d+$/m);
      for (const { database } of [ann, bob]) expect(text).not.toContain(database.name);
    }
    for (const token of [admin, scraper]) {
      expect(await scrape(token)).toContain(
        `fathom_instance_up{database="${ann.database.name}",kind="user"} 1`,
      );
    }
    // It may do nothing else.
    expect((await call('GET', `${fathom.url}/api/v1/databases`, { token: scraper })).status).toBe(403);
  });
});
