import { existsSync } from 'node:fs';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { Page } from '../../shared/api/contract/page.ts';
import type { JournalEntry } from '../../shared/api/events.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { call, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { testedPocketBase } from '../helpers/tested-pocketbase.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const PEOPLE = ['ann', 'bob', 'cid', 'dee'];

const { version } = await verifyBinary(await testedPocketBase());

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let sessions: Session[];

beforeAll(async () => {
  fathom = await createDeployment();
  daemon = await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  sessions = [];
  for (const name of PEOPLE) sessions.push(await signUp(fathom.url, `${name}@example.com`));
});

afterAll(() => fathom.dispose());

function session(name: string): Session {
  const found = sessions[PEOPLE.indexOf(name)];
  if (!found) throw new Error(`nobody signed up as ${name}`);
  return found;
}

function nameOf(person: string): string {
  return session(person).database.name;
}

async function list(query: string, token = admin): Promise<Page<Instance>> {
  const answer = await call<Page<Instance>>('GET', `${fathom.url}/api/v1/databases?${query}`, { token });
  expect(answer.status, query).toBe(200);
  return answer.body;
}

describe('the list of databases', () => {
  it('is paged, sorted and searched', async () => {
    const names = PEOPLE.map(nameOf);
    const all = await list('');
    expect({ ...all, items: all.items.map(({ name }) => name) }).toEqual({
      items: [...names, 'global'],
      page: 1,
      per_page: 50,
      total: 5,
    });
    const second = await list('page=2&per_page=2');
    expect({ ...second, items: second.items.map(({ name }) => name) }).toEqual({
      items: names.slice(2),
      page: 2,
      per_page: 2,
      total: 5,
    });
    expect((await list('page=9')).items).toEqual([]);
    expect((await list('sort=-name')).items.map(({ name }) => name)).toEqual([
      'global',
      ...names.toReversed(),
    ]);
    const byPort = (await list('sort=port')).items.map(({ port }) => port ?? 0);
    expect(byPort).toEqual(byPort.toSorted((a, b) => a - b));
    expect((await list('search=bob')).items.map(({ name }) => name)).toEqual([nameOf('bob')]);
    expect((await list('search=cid@example')).items.map(({ name }) => name)).toEqual([nameOf('cid')]);
    expect((await list('phase=running')).total).toBe(5);
    expect((await list('phase=failed')).total).toBe(0);
  });

  it('shows users only their own, and anonymous callers nothing', async () => {
    const own = await list('', session('ann').token);
    expect(own.items.map(({ name }) => name)).toEqual([nameOf('ann')]);
    expect(own.total).toBe(1);
    expect((await list('search=bob', session('ann').token)).total).toBe(0);
    expect(await call('GET', `${fathom.url}/api/v1/databases`)).toMatchObject({
      status: 401,
      body: { code: 'auth.required' },
    });
  });

  it.each(['page=0', 'page=x', 'per_page=501', 'per_page=0', 'sort=pid', 'sort=', 'per_page=-1'])(
    'refuses ?%s, naming the field',
    async (query) => {
      const answer = await call('GET', `${fathom.url}/api/v1/databases?${query}`, { token: admin });
      expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
      expect(answer.body.errors).toEqual([
        {
          path: query.split('=')[0],
          code: expect.any(String) as string,
          message: expect.any(String) as string,
        },
      ]);
    },
  );
});

async function eventsFor(token: string): Promise<JournalEntry[]> {
  const { body } = await call<{ items: JournalEntry[] }>('GET', `${fathom.url}/api/v1/events`, { token });
  return body.items;
}

describe('one database', () => {
  const paths = ['', '/logs', '/metrics'];
  const actions = ['/start', '/stop', '/restart'];

  it('tells its state, log and metrics to its owner and to administrators', async () => {
    const url = `${fathom.url}/api/v1/databases/${nameOf('ann')}`;
    for (const token of [session('ann').token, admin]) {
      expect((await call<Instance>('GET', url, { token })).body).toMatchObject({
        name: nameOf('ann'),
        kind: 'user',
        user_id: session('ann').user.id,
        email: 'ann@example.com',
        phase: 'running',
        desired: 'running',
        reason: null,
        pocketbase_version: version,
      });
      const logs = await call<{ lines: { text: string }[] }>('GET', `${url}/logs?tail=5`, { token });
      expect(logs.body.lines.map(({ text }) => text).join('\n')).toContain('Server started');
      expect(logs.body.lines.length).toBeLessThanOrEqual(5);
    }
    const metrics = await call<{ probe: object; probes: object[]; restarts: number }>(
      'GET',
      `${url}/metrics`,
      { token: admin },
    );
    expect(metrics.body).toMatchObject({ restarts: 0, probe: { ok: true } });
    expect(metrics.body.probes.at(-1)).toEqual(metrics.body.probe);
    expect((await call('GET', `${url}/logs?tail=-1`, { token: admin })).status).toBe(400);
  });

  it('tells what happened to it, to its owner and to administrators', async () => {
    const own = await eventsFor(session('ann').token);
    expect(new Set(own.map(({ name }) => name))).toEqual(new Set([nameOf('ann')]));
    expect(own.map(({ kind, to }) => `${kind} ${to}`)).toContain('phase running');
    expect(new Set((await eventsFor(admin)).map(({ name }) => name)).size).toBeGreaterThan(1);
    const page = async (query: string) =>
      (await call<Page<JournalEntry>>('GET', `${fathom.url}/api/v1/events?${query}`, { token: admin })).body;
    const name = `name=${nameOf('ann')}`;
    const { items: all, ...rest } = await page(name);
    expect(rest).toEqual({ page: 1, per_page: 200, total: all.length });
    expect(await page(`${name}&per_page=1`)).toMatchObject({ items: [all.at(-1)], total: all.length });
    expect(await page(`${name}&per_page=1&page=2`)).toMatchObject({ items: [all.at(-2)], page: 2 });
    expect((await page(`${name}&page=9`)).items).toEqual([]);
  });

  it('is closed to everybody else', async () => {
    const url = `${fathom.url}/api/v1/databases/${nameOf('ann')}`;
    const requests = [
      ...paths.map((path) => ['GET', path]),
      ...actions.map((path) => ['POST', path]),
      ['DELETE', ''],
    ] as [string, string][];
    for (const [method, path] of requests) {
      expect(await call(method, url + path), path).toMatchObject({
        status: 401,
        body: { code: 'auth.required' },
      });
      expect(await call(method, url + path, { token: session('bob').token }), path).toMatchObject({
        status: 403,
        body: { code: 'auth.forbidden' },
      });
    }
    expect(await call('DELETE', url, { token: session('ann').token })).toMatchObject({ status: 403 });
  });

  it('answers 404 for what is not there', async () => {
    const url = `${fathom.url}/api/v1/databases/2024-01-15-001-nobody`;
    for (const path of paths) {
      expect(await call('GET', url + path, { token: admin })).toMatchObject({
        status: 404,
        body: { code: 'not_found', detail: "there is no database named '2024-01-15-001-nobody'" },
      });
    }
    for (const path of actions) expect((await call('POST', url + path, { token: admin })).status).toBe(404);
    expect((await call('DELETE', url, { token: admin })).status).toBe(404);
    // The global one is looked at and restarted, but neither stopped nor deleted.
    const global = `${fathom.url}/api/v1/databases/global`;
    expect((await call('GET', global, { token: admin })).status).toBe(200);
    expect(await call('POST', `${global}/stop`, { token: admin })).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    expect((await call('DELETE', global, { token: admin })).status).toBe(404);
  });

  it('is stopped, started and restarted; the owner may do so too', async () => {
    const url = `${fathom.url}/api/v1/databases/${nameOf('bob')}`;
    const { token } = session('bob');
    expect((await call<Instance>('POST', `${url}/stop`, { token })).body).toMatchObject({
      phase: 'stopped',
      desired: 'stopped',
      pid: null,
      last_exit: { ended_by: 'request' },
    });
    const { body: started } = await call<Instance>('POST', `${url}/start`, { token });
    expect(started).toMatchObject({ phase: 'running', port: session('bob').database.port });
    const { body: restarted } = await call<Instance>('POST', `${url}/restart`, { token, body: {} });
    expect(restarted.phase).toBe('running');
    expect(restarted.pid).not.toBe(started.pid);
  });

  it('goes with all its data when it is deleted, and its name is never used again', async () => {
    const { user, database } = session('dee');
    const directory = join(fathom.dataDir, 'user_dbs', database.name);
    expect(existsSync(directory)).toBe(true);
    const type = (input: string) =>
      fathomd(['databases', 'delete', database.name, '--json', '--socket', fathom.socketPath], { input });
    const refused = await type(`${database.name}x\n`);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toEqual(textWith('dee@example.com', `'${database.name}'`));
    expect(existsSync(directory)).toBe(true);
    expect(JSON.parse((await type(`${database.name}\n`)).stdout)).toEqual({ deleted: database.name });
    expect(existsSync(directory)).toBe(false);
    expect((await fleetProcesses(fathom.dataDir)).map(({ instance }) => instance)).not.toContain(
      database.name,
    );
    expect((await databaseRows(fathom)).map(({ name }) => name)).not.toContain(database.name);
    expect(
      (await call('DELETE', `${fathom.url}/api/v1/databases/${database.name}`, { token: admin })).status,
    ).toBe(404);

    // The account is still there, and its next sign-in makes an empty one.
    const again = await signIn(fathom.url, 'dee@example.com');
    expect(again.user.id).toBe(user.id);
    expect(again.database.name).toMatch(/-005-dee$/);
    const owner = new PocketBase(again.database.url);
    owner.authStore.save(again.database.token);
    expect((await owner.collection('documents').getList()).totalItems).toBe(0);
  });
});

describe('what is wanted of a database', () => {
  it('outlives the daemon, and so do its port and data', async () => {
    const [ann, bob, cid] = ['ann', 'bob', 'cid'].map(session) as [Session, Session, Session];
    const owner = new PocketBase(ann.database.url);
    owner.authStore.save(ann.database.token);
    const { id } = await owner.collection('documents').create({ title: 'kept' });
    await fathom.client.databases.stop(bob.database.name);

    expect(await daemon.stop()).toBe(0);
    expect(await fleetProcesses(fathom.dataDir)).toEqual([]);
    daemon = await fathom.start();

    await until(
      async () =>
        (await fathom.client.databases.all()).filter(({ phase }) => phase === 'running').length === 4,
      { what: 'all but one to run' },
    );
    const phases = (await fathom.client.databases.all()).map(({ name, phase, port }) => [name, phase, port]);
    expect(phases).toEqual(
      expect.arrayContaining([
        [ann.database.name, 'running', ann.database.port],
        [bob.database.name, 'stopped', bob.database.port],
        [cid.database.name, 'running', cid.database.port],
      ]),
    );
    expect(await owner.collection('documents').getOne(id)).toMatchObject({ title: 'kept' });

    // Signing in does not start what was stopped on purpose.
    expect((await signIn(fathom.url, 'bob@example.com')).database.status).toBe('Stopped');
    expect(await fathom.client.databases.start(bob.database.name)).toMatchObject({
      phase: 'running',
      port: bob.database.port,
    });
  });
});
