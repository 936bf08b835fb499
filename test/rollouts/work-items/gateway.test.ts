import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Endpoint, exampleOf } from '../../../shared/api/contract/endpoint.ts';
import { work } from '../../../shared/api/work/endpoints.ts';
import { FathomError } from '../../../shared/errors.ts';
import { putFiles } from '../../helpers/applications.ts';
import { createDeployment, type Daemon, type Deployment } from '../../helpers/deployment.ts';
import { untilInstance } from '../../helpers/fleet-actions.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../../helpers/http-call.ts';
import { until } from '../../helpers/until.ts';
import { readUserDatabase } from '../../helpers/user-migrations.ts';
import { type Body, WITH_WORK_ITEMS } from './stage.ts';

let fathom: Deployment;
let daemon: Daemon;
let items: string;
let ann: Session;
let bob: Session;
let project: string;

beforeAll(async () => {
  fathom = await createDeployment({
    ...WITH_WORK_ITEMS,
    RATE_LIMIT_PER_MINUTE: '100000',
    DATABASE_TRASH_DAYS: '1',
  });
  daemon = await fathom.start();
  items = `${fathom.url}/api/v1/work-items`;
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
  const created = await add({ item_type: 'project', title: 'project' });
  expect(created).toMatchObject({ status: 201 });
  project = String(created.body['id']);
});

afterAll(() => fathom?.dispose());

const send = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
  call<Body>(method, `${fathom.url}/api/v1${path}`, { token: ann.token, headers, ...(body && { body }) });
const add = (body: unknown, token = ann.token) => call<Body>('POST', items, { token, body });
const task = (more: object = {}) => ({ item_type: 'task', title: 'task', project_id: project, ...more });

/** Also one that was used in the last second. */
async function fallAsleep(name: string): Promise<void> {
  await until(
    () =>
      fathom.client.databases.sleep(name, { force: true }).catch((error: unknown) => {
        if (error instanceof FathomError && error.code === 'conflict') return null;
        throw error;
      }),
    { what: () => `${name} to sleep` },
  );
}

async function createKey(permissions: string[]): Promise<string> {
  const created = await call<Body>('POST', `${fathom.url}/api/v1/api-keys`, {
    token: ann.token,
    body: { name: permissions.join(), permissions },
  });
  expect(created.status).toBe(201);
  return String(created.body['key']);
}

describe('the own database by the API', () => {
  it('creates, lists and shows items as its owner', async () => {
    const created = await add(task({ title: 'größer 🎉' }));
    expect(created.status).toBe(201);
    const { id } = created.body;
    expect(created.headers.get('location')).toBe(`/api/v1/work-items/${String(id)}`);
    expect(created.body).toMatchObject({ title: 'größer 🎉', parent_id: project, version: 1 });
    const shown = await call<Body>('GET', `${items}/${String(id)}`, { token: ann.token });
    expect(shown).toMatchObject({ status: 200, body: created.body });
    const query = `item_type=task&project_id=${project}&per_page=1`;
    const listed = await call<Body>('GET', `${items}?${query}`, { token: ann.token });
    expect(listed.body).toMatchObject({ items: [created.body], page: 1, per_page: 1, total: 1 });
    const [logged] = readUserDatabase(fathom, ann.database.name, (database) =>
      database
        .prepare('SELECT actor, actor_kind, request_id FROM pm_activity_log WHERE entity_id = ?')
        .all(String(id)),
    );
    const request_id = created.headers.get('x-request-id');
    expect(logged).toMatchObject({ actor: ann.user.id, actor_kind: 'owner', request_id });
  });

  it('reaches no database of others', async () => {
    const token = bob.token;
    const shown = await call('GET', `${items}/${project}`, { token });
    expect(shown).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect((await call<Body>('GET', items, { token })).body).toMatchObject({ items: [], total: 0 });
    expect((await add(task(), token)).body).toMatchObject({ status: 400, code: 'request.invalid' });
    const other = await call('GET', `${items}?tenant_id=${ann.user.id}`, { token });
    expect(other.status).toBe(400);
  });

  it('takes a new token after a change of the account', async () => {
    await add(task());
    const { token } = await signIn(fathom.url, 'bob@example.com');
    expect((await call('GET', items, { token })).status).toBe(200);
    const password = `${PASSWORD}-2`;
    await call('POST', `${fathom.url}/api/v1/me/password`, {
      token,
      body: { current_password: PASSWORD, password },
    });
    bob = await signIn(fathom.url, 'bob@example.com', password);
    expect((await call('GET', items, { token })).status).toBe(401);
    expect((await call('GET', items, { token: bob.token })).status).toBe(200);
  });
});

describe('changes', () => {
  it('are refused with another version, from If-Match or the body', async () => {
    const { id } = (await add(task())).body;
    const path = `/work-items/${String(id)}`;
    expect((await send('PATCH', path, { title: 'a' }, { 'if-match': '"1"' })).body).toMatchObject({
      title: 'a',
      version: 2,
    });
    for (const [body, headers] of [
      [{ title: 'b' }, { 'if-match': '"1"' }],
      [{ title: 'b', version: 1 }, {}],
    ] as const) {
      const refused = await send('PATCH', path, body, headers);
      expect(refused).toMatchObject({
        status: 409,
        body: { code: 'conflict', errors: [{ path: 'version', code: 'version_conflict' }] },
      });
    }
  });

  it('follow the workflow, and name the moves that there are', async () => {
    const { id } = (await add(task())).body;
    const { status, body } = await send('PATCH', `/work-items/${String(id)}`, { status: 'done' });
    expect(status).toBe(400);
    expect(body['errors']).toMatchObject([{ path: 'status', code: 'move_not_allowed' }]);
    expect(body['detail']).toContain('todo');
  });

  it('delete an item with what is below it, and restore it', async () => {
    const story = (await add(task({ item_type: 'story' }))).body;
    const path = `/work-items/${String(story['id'])}`;
    await add(task({ parent_id: story['id'] }));
    const refused = await send('DELETE', path);
    expect(refused).toMatchObject({ status: 409, body: { errors: [{ code: 'has_children' }] } });
    expect((await send('DELETE', `${path}?cascade=maybe`)).status).toBe(400);
    expect((await send('DELETE', `${path}?cascade=true`)).status).toBe(204);
    expect((await send('GET', path)).status).toBe(404);
    expect(await send('POST', `${path}/restore`)).toMatchObject({ status: 200, body: { id: story['id'] } });
  });

  it('reach projects and their boards', async () => {
    const created = await send('POST', '/projects', { title: 'second' });
    expect(created.status).toBe(201);
    const path = `/projects/${String(created.body['id'])}`;
    expect((await send('GET', path)).body).toMatchObject({
      title: 'second',
      workflow: expect.anything() as object,
    });
    expect(((await send('GET', `${path}/board`)).body['lanes'] as unknown[]).length).toBe(4);
    for (const part of ['backlog', 'activity', 'swim-lanes'])
      expect((await send('GET', `${path}/${part}?per_page=1`)).body).toMatchObject({ page: 1, per_page: 1 });
  });
});

describe('each operation', () => {
  let readKey: string;

  beforeAll(async () => {
    readKey = await createKey(['work-items.read']);
  });

  it.each(Object.values<Endpoint>(work).map((one) => [one.operationId, one] as const))(
    '%s needs its permission, a valid id and a body of a limited size',
    async (_, { method, path, body, permission }) => {
      const url = (id: string) => `${fathom.url}${path.replace('{id}', id)}`;
      const id = '00000000-0000-4000-8000-000000000000';
      expect((await call(method, url(id))).status).toBe(401);
      const read = await call(method, url(id), { token: readKey });
      // Some lists need a filter.
      const known = path.includes('{id}') ? [404] : [200, 400];
      if (permission === 'work-items.read') expect(known).toContain(read.status);
      else expect([read.status, read.body.code]).toEqual([403, 'auth.forbidden']);
      const token = ann.token;
      const large = { title: 'a'.repeat(1024 * 1024) };
      if (body) expect((await call(method, url(id), { token, body: large })).status).toBe(413);
      if (!path.includes('{id}')) return;
      for (const odd of ['A', '%00', '%F0%9F%98%80', 'a'.repeat(200)]) {
        const answer = await call(method, url(odd), { token, ...(body && { body: {} }) });
        expect([400, 404]).toContain(answer.status);
      }
      // Of another database.
      const valid = body && { body: exampleOf(body) };
      const other = await call(method, url(project), { token: bob.token, ...valid });
      expect([400, 404]).toContain(other.status);
    },
  );
});

describe('access', () => {
  it.each([
    ['work-items.read', 200, 403],
    ['work-items.write', 403, 201],
    ['databases.read', 403, 403],
  ])('of a key with %s answers %i to a read and %i to a write', async (permission, read, write) => {
    const token = await createKey([permission]);
    expect((await call('GET', items, { token })).status).toBe(read);
    expect((await add(task(), token)).status).toBe(write);
  });

  it('needs a session that has not ended', async () => {
    const { token } = await signIn(fathom.url, 'ann@example.com');
    await call('POST', `${fathom.url}/api/v1/auth/logout`, { token });
    expect(await call('GET', items, { token })).toMatchObject({
      status: 401,
      body: { code: 'auth.required' },
    });
    expect((await call('GET', items)).status).toBe(401);
    expect((await call('GET', items, { token: ann.database.token })).status).toBe(401);
  });

  it('is not extended by a smaller role', async () => {
    const headers = { 'fathom-role': 'viewer' };
    const answer = await call('POST', items, { token: ann.token, headers, body: task() });
    expect(answer.status).toBe(403);
    expect((await call('GET', items, { token: ann.token, headers })).status).toBe(200);
  });

  it('says who has no database', async () => {
    const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
    const { status, body } = await call('GET', items, { token });
    expect([status, body.code]).toEqual([409, 'conflict']);
    expect(body.detail).toContain('has no database');
    await expect(fathom.client.work.listWorkItems()).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('refusals', () => {
  it.each([
    ['an unknown type', { item_type: 'other', title: 'a' }, ['item_type']],
    ['an empty title', { item_type: 'project', title: '' }, ['title']],
    ['a title that is too long', { item_type: 'project', title: 'a'.repeat(201) }, ['title']],
    ['numbers for texts', { item_type: 'project', title: 7 }, ['title']],
    ['an unknown parent', { item_type: 'task', title: 'a', parent_id: 'x' }, ['parent_id']],
    ['an unknown member', { item_type: 'project', title: 'a', assignee_id: 'x' }, ['assignee_id']],
    ['an unknown status', { item_type: 'project', title: 'a', status: 'odd' }, ['status']],
  ])('names the field of %s', async (_, body, paths) => {
    const { status, headers, body: problem } = await call('POST', items, { token: ann.token, body });
    expect([status, problem.code]).toEqual([400, 'request.invalid']);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(problem.errors?.map(({ path }) => path)).toEqual(paths);
    expect(problem.request_id).toBe(headers.get('x-request-id'));
  });

  it.each([
    ['no object', '[]', 400],
    ['no JSON', '{', 400],
    ['an unknown field', { ...task(), created_by: 'x' }, 400],
    ['a key of a prototype', '{"__proto__": {}, "item_type": "project", "title": "a"}', 400],
    ['a body that is too large', { ...task(), description: 'a'.repeat(300_000) }, 413],
    ['a description that is too long', { ...task(), description: 'a'.repeat(20_001) }, 400],
  ])('refuses %s', async (_, body, status) => {
    expect((await call('POST', items, { token: ann.token, body })).status).toBe(status);
  });

  it('takes a description of 20,000 characters in any form', async () => {
    const escaped = String.raw`\u00e4`.repeat(20_000);
    const body = `{"item_type": "project", "title": "a", "description": "${escaped}"}`;
    const created = await call<Body>('POST', items, { token: ann.token, body });
    expect(created.status).toBe(201);
    expect(created.body['description'] === 'ä'.repeat(20_000)).toBe(true);
  });

  it.each([
    '1',
    '..',
    '%2e%2e%2fcollections',
    'A0000000-0000-4000-8000-000000000000',
    'a'.repeat(300),
    '00000000-0000-4000-8000-000000000000?x=1',
    "'%20OR%201=1",
  ])('refuses the id %s', async (id) => {
    const { status } = await call('GET', `${items}/${id}`, { token: ann.token });
    expect([400, 404]).toContain(status);
  });

  it.each(['page=0', 'page=x', 'per_page=201', 'per_page=', 'item_type=odd', 'status=', 'status=a&status=b'])(
    'refuses the query %s',
    async (query) => {
      const answer = await call('GET', `${items}?${query}`, { token: ann.token });
      expect([answer.status, answer.body.code]).toEqual([400, 'request.invalid']);
    },
  );

  it('shows the item that is missing', async () => {
    const path = '/api/v1/work-items/00000000-0000-4000-8000-000000000000';
    const { status, body } = await call('GET', `${fathom.url}${path}`, { token: ann.token });
    expect([status, body.code]).toEqual([404, 'not_found']);
    expect(body.detail).toBe('There is no such item.');
  });

  it('asks for smaller pages of large items', async () => {
    const description = 'ä'.repeat(20_000);
    for (let n = 0; n < 60; n += 1) await add(task({ item_type: 'story', description }));
    const query = 'item_type=story&per_page=200';
    const { status, body } = await call('GET', `${items}?${query}`, { token: ann.token });
    expect([status, body.code]).toEqual([400, 'request.invalid']);
    expect(body.errors).toMatchObject([{ path: 'per_page' }]);
    const fewer = await call('GET', `${items}?item_type=story&per_page=20`, { token: ann.token });
    expect(fewer.status).toBe(200);
  });

  it('bounds the requests that one user has open', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => call('GET', items, { token: bob.token })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers.get('retry-after')).toBe('1');
    expect((await call('GET', items, { token: bob.token })).status).toBe(200);
  });

  it('ends reads whose clients have left', async () => {
    const { pid } = await fathom.client.databases.get(bob.database.name);
    const headers = { authorization: `Bearer ${bob.token}` };
    process.kill(Number(pid), 'SIGSTOP');
    try {
      const leaving = new AbortController();
      const reads = Array.from({ length: 8 }, () => fetch(items, { headers, signal: leaving.signal }));
      const left = Promise.allSettled(reads);
      await until(async () => (await call('GET', items, { token: bob.token })).status === 429, {
        what: 'all places to be taken',
      });
      leaving.abort();
      expect((await left).map(({ status }) => status)).toEqual(Array(8).fill('rejected'));
      // A read that gets a place waits for the stopped process.
      await until(
        async () => {
          const signal = AbortSignal.timeout(500);
          const answer = await fetch(items, { headers, signal }).catch(() => null);
          return answer === null;
        },
        { timeoutMs: 5_000, what: 'a free place' },
      );
    } finally {
      process.kill(Number(pid), 'SIGCONT');
    }
  });
});

describe('a database that does not run', () => {
  it('wakes when it sleeps', async () => {
    const { name } = ann.database;
    await fallAsleep(name);
    expect((await add(task())).status).toBe(201);
    await fallAsleep(name);
    expect((await call('GET', `${items}/${project}`, { token: ann.token })).status).toBe(200);
  });

  it('comes back when it is archived', async () => {
    const { name } = ann.database;
    await fathom.client.databases.archive(name);
    const { status, body } = await call<Body>('GET', `${items}/${project}`, { token: ann.token });
    expect([status, body['id']]).toEqual([200, project]);
  });

  it('is started by its owner when it is stopped', async () => {
    const { name } = ann.database;
    await fathom.client.databases.stop(name);
    const { status, body } = await call('GET', items, { token: ann.token });
    expect([status, body.code]).toEqual([503, 'database.unavailable']);
    const [method, path] = /(POST) (\/\S+)/.exec(body.detail)?.slice(1) ?? [];
    expect((await call(method ?? '', `${fathom.url}${path}`, { token: ann.token })).status).toBe(200);
    expect((await call('GET', items, { token: ann.token })).status).toBe(200);
  });

  it('refuses new data when it is full, and answers reads', async () => {
    const { name } = ann.database;
    for (let n = 0; n < 30; n += 1) await add(task({ description: 'ä'.repeat(20_000) }));
    await fathom.client.databases.update(name, { disk_mb: 1 });
    await untilInstance(fathom, name, ({ reason }) => reason?.code === 'over_disk', 'to be over its limit');
    const { status, body } = await add(task());
    expect([status, body['code']]).toEqual([507, 'database.full']);
    const { url, token } = (await signIn(fathom.url, 'ann@example.com')).database;
    expect((await call('POST', `${url}/api/v1/work-items`, { token, body: task() })).status).toBe(507);
    expect((await call('GET', `${items}/${project}`, { token: ann.token })).status).toBe(200);
    await fathom.client.databases.update(name, { disk_mb: null });
    await untilInstance(fathom, name, ({ phase, reason }) => phase === 'running' && !reason, 'to be free');
    expect((await add(task())).status).toBe(201);
  });

  it('has the code of its failure', async () => {
    const { name } = bob.database;
    await fathom.client.databases.stop(name);
    await writeFile(join(fathom.dataDir, 'user_dbs', name, 'pb_data', 'data.db'), 'no database'.repeat(1000));
    await expect(fathom.client.databases.start(name)).rejects.toMatchObject({ code: 'instance.failed' });
    const { reason } = await untilInstance(fathom, name, ({ phase }) => phase === 'failed', 'to fail');
    const { status, body } = await call('GET', items, { token: bob.token });
    expect([status, body.code]).toEqual([503, 'database.unavailable']);
    expect(body.detail).toContain(`(${reason?.code})`);
    expect(body.detail).not.toContain(fathom.dataDir);
  });

  it('is out of reach after its deletion', async () => {
    await fathom.client.databases.delete(bob.database.name);
    expect((await call('GET', items, { token: bob.token })).status).toBe(401);
  });
});

it('names the application that is missing, also below the static files of another one', async () => {
  await daemon.stop();
  await putFiles(join(fathom.dataDir, 'apps'), { 'site/public/index.html': '<h1>site</h1>' });
  await fathom.start({ FATHOM_APPS: 'documents,site' });
  const { token } = await signUp(fathom.url, 'cleo@example.com');
  for (const path of ['', `/${project}`]) {
    const { status, body } = await call('GET', `${items}${path}`, { token });
    expect([status, body.code]).toEqual([409, 'application.missing']);
  }
  const { status, body } = await call('POST', items, { token, body: task() });
  expect([status, body.code]).toEqual([409, 'application.missing']);
});
