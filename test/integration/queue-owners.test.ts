import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../shared/api/queue.ts';
import { createClient } from '../../shared/client/fathom-client.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { logLines, WARN } from '../helpers/log-lines.ts';
import { finished } from '../helpers/queue.ts';

let fathom: Deployment;
let daemon: Daemon;
let tasks: string;
let admin: string;
let ann: Session;
let bob: Session;

const HANDLER = `export default async ({ text }, { database, user }) => {
  if (text === 'wait') await new Promise(() => {});
  const [{ email }] = await database.collection('users').getFullList();
  return { email, user: user.email, text };
};`;
const PAYLOAD = {
  type: 'object',
  properties: { text: { type: 'string', maxLength: 100 } },
  required: ['text'],
  additionalProperties: false,
};

/** Writes a handler, and what owners may add. */
async function putHandler(type: string, declaration?: object | string): Promise<void> {
  await writeFile(join(fathom.filesDir, `${type}.mjs`), HANDLER);
  if (declaration === undefined) return;
  const text = typeof declaration === 'string' ? declaration : JSON.stringify(declaration);
  await writeFile(join(fathom.filesDir, `${type}.json`), text);
}

beforeAll(async () => {
  fathom = await createDeployment({ RATE_LIMIT_PER_MINUTE: '100000' });
  daemon = await fathom.start({ FATHOM_TASKS_DIR: fathom.filesDir });
  tasks = `${fathom.url}/api/v1/queue/tasks`;
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
  await putHandler('text.count', { owners: { max_waiting: 100, per_hour: 1_000, payload: PAYLOAD } });
  await putHandler('closed');
});

afterAll(() => fathom?.dispose());

const add = (body: unknown, token = ann.token) => call<Task>('POST', tasks, { token, body });
const cancel = (id: string, token = ann.token) => call('POST', `${tasks}/${id}/cancel`, { token });
const task = (more: object = {}) => ({ type: 'text.count', payload: { text: 'ä 🙂' }, ...more });
const LATER = '2099-01-01T00:00:00Z';

describe('a task of an owner', () => {
  it('runs on the own database', async () => {
    const { status, body } = await add(task());
    expect({ status, user_id: body.user_id }).toEqual({ status: 201, user_id: ann.user.id });
    expect(await finished(fathom, body.id)).toMatchObject({
      status: 'done',
      result: { email: 'ann@example.com', user: 'ann@example.com', text: 'ä 🙂' },
    });
  });

  it('is of a type that is listed, with its limits and schema', async () => {
    const types = `${fathom.url}/api/v1/queue/task-types`;
    expect(await call('GET', types, { token: ann.token })).toMatchObject({
      status: 200,
      body: {
        total: 1,
        items: [
          {
            type: 'text.count',
            title: null,
            description: null,
            max_waiting: 100,
            per_hour: 1_000,
            payload: PAYLOAD,
          },
        ],
      },
    });
    expect((await call('GET', types)).status).toBe(401);
    const run = (...words: string[]) => fathomd(['queue', 'types', ...words, '--socket', fathom.socketPath]);
    expect((await run()).stdout).toMatch(/^text\.count +100 +1000/m);
    expect(JSON.parse((await run('--json')).stdout)).toMatchObject([
      { type: 'text.count', payload: PAYLOAD },
    ]);
  });

  it('cannot be for another account', async () => {
    expect(await add(task({ user_id: ann.user.id }))).toMatchObject({ status: 201 });
    for (const user_id of [bob.user.id, 'nobody000000000'])
      expect(await add(task({ user_id }))).toMatchObject({ status: 403, body: { code: 'auth.forbidden' } });
  });

  it.each(['closed', 'no.such', 'http.request', 'database.vacuum', 'mail.send'])(
    'cannot be of the type %s',
    async (type) => {
      const { status, body } = await add({ type, payload: { text: '' } });
      expect({ status, body }).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect(JSON.stringify(body)).toContain('There are text.count;');
      expect(JSON.stringify(body)).not.toContain(fathom.filesDir);
    },
  );

  it.each([
    ['payload.text', { payload: { text: 5 } }],
    ['payload.text', { payload: {} }],
    ['payload', { payload: undefined }],
    ['payload', { payload: null }],
    ['payload', { payload: { text: '', extra: 1 } }],
    ['payload.text', { payload: { text: 'x'.repeat(101) } }],
    ['priority', { priority: 1 }],
    ['max_attempts', { max_attempts: 100 }],
    ['timeout_s', { timeout_s: 86_400 }],
    ['unique_key', { unique_key: 'ä'.repeat(201) }],
    ['run_at', { run_at: -5 }],
  ])('names %s in %j', async (path, more) => {
    const { status, body } = await add(task(more));
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { code: 'request.invalid', errors: [{ path }] },
    });
  });

  it('has a size and a depth', async () => {
    expect(await add(task({ payload: { text: 'x'.repeat(1024 * 1024) } }))).toMatchObject({ status: 413 });
    const deep = `{"type":"text.count","payload":{"text":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`;
    expect(await add(deep)).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  });

  it('does not overtake others by a time in the past', async () => {
    const { status, body } = await add(task({ run_at: '0001-01-01T00:00:00Z' }));
    expect(status).toBe(201);
    expect(Date.parse(String(body.run_at))).toBeGreaterThan(Date.parse('2020-01-01T00:00:00Z'));
  });

  it('shares no key with tasks of others', async () => {
    const same = task({ run_at: LATER, unique_key: 'daily' });
    await fathom.client.queue.add({ type: 'closed', unique_key: 'daily', run_at: LATER });
    const [first, again, of] = [await add(same), await add(same), await add(same, bob.token)];
    expect([first.status, again.status, of.status]).toEqual([201, 200, 201]);
    expect(again.body.id).toBe(first.body.id);
    expect(of.body).toMatchObject({ user_id: bob.user.id });
    for (const [{ body }, token] of [
      [first, ann.token],
      [of, bob.token],
    ] as const)
      expect((await cancel(body.id, token)).status).toBe(200);
  });

  it('is seen and cancelled by its owner alone', async () => {
    const { body } = await add(task({ run_at: LATER }));
    expect((await call('GET', `${tasks}/${body.id}`, { token: bob.token })).status).toBe(403);
    expect(await cancel(body.id, bob.token)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect((await call('POST', `${tasks}/${body.id}/retry`, { token: ann.token })).status).toBe(403);
    expect(await cancel(body.id)).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect(await cancel(body.id)).toMatchObject({ status: 409 });
    expect(await cancel('nobody000000000')).toMatchObject({ status: 404 });
  });

  it('is another one than a task of an administrator for the same database', async () => {
    const { id } = await fathom.client.queue.add({ type: 'closed', user_id: ann.user.id, run_at: LATER });
    expect(await cancel(id)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect((await fathom.client.queue.get(id)).status).toBe('pending');
    await fathom.client.queue.cancel(id);
  });

  it('stops when it is cancelled while it runs', async () => {
    const { body } = await add(task({ payload: { text: 'wait' } }));
    await call('POST', `${tasks}/${body.id}/cancel`, { token: ann.token });
    expect(await finished(fathom, body.id)).toMatchObject({ status: 'cancelled' });
  });

  it('is dead when its handler is gone, and gone with its owner', async () => {
    await fathom.client.queue.pause();
    await putHandler('short', { owners: { payload: {} } });
    const cat = await signUp(fathom.url, 'cat@example.com');
    const [waits, leaves] = [await add({ type: 'short' }), await add({ type: 'short' }, cat.token)];
    expect([waits.status, leaves.status]).toEqual([201, 201]);
    await rm(join(fathom.filesDir, 'short.mjs'));
    expect(await add({ type: 'short' })).toMatchObject({ status: 404 });
    await call('DELETE', `${fathom.url}/api/v1/users/${cat.user.id}`, { token: admin });
    await fathom.client.queue.resume();
    expect(await finished(fathom, waits.body.id)).toMatchObject({ status: 'dead' });
    await expect(fathom.client.queue.get(leaves.body.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('can be added with a key of the owner on the command line', async () => {
    const { body } = await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
      token: ann.token,
      body: { name: 'tasks', permissions: ['queue.create', 'queue.read', 'queue.cancel'] },
    });
    const run = (...words: string[]) =>
      fathomd(['queue', ...words, '--url', fathom.url], { env: { FATHOM_TOKEN: body.key } });
    const added = await run('add', 'text.count', '--payload', '{"text": "a"}', '--run-at', LATER, '--json');
    expect(added).toMatchObject({ exitCode: 0 });
    const { id } = JSON.parse(added.stdout) as Task;
    expect((await run('list')).stdout).toContain(id);
    expect(await run('cancel', id)).toMatchObject({ exitCode: 0 });
    expect(await run('add', 'closed')).toMatchObject({ exitCode: 1 });
  });
});

describe('limits of an owner', () => {
  it('bound what waits and what is added in an hour, also of requests at the same time', async () => {
    await putHandler('few', { owners: { max_waiting: 2, per_hour: 3, payload: {} } });
    const few = { type: 'few', run_at: LATER };
    const together = await Promise.all(Array.from({ length: 6 }, () => add(few)));
    expect(together.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201, 201, 429, 429, 429, 429,
    ]);
    const waits = await add(few);
    expect(waits).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(waits.headers.get('retry-after')).toBe('10');
    expect((await add(few, bob.token)).status).toBe(201);
    for (const { body, status } of together) if (status === 201) await cancel(body.id);
    expect((await add(few)).status).toBe(201);
    const spent = await add(few);
    expect(spent.status).toBe(429);
    const retryAfterS = Number(spent.headers.get('retry-after'));
    expect(retryAfterS).toBeGreaterThan(3_000);
    expect(retryAfterS).toBeLessThanOrEqual(3_600);
    expect((await fathom.client.queue.add({ ...few, user_id: ann.user.id })).status).toBe('pending');
  });

  it.each([
    ['no JSON', '{'],
    ['another form', { owners: true }],
    ['a number', '5'],
    ['no payload', { owners: {} }],
    ['a schema that is none', { owners: { payload: { type: 'wat' } } }],
    ['no tasks at all', { owners: { payload: {}, per_hour: 0 } }],
  ])('that are not valid (%s) keep the type closed', async (_, declaration) => {
    await putHandler('broken', declaration);
    expect(await add({ type: 'broken' })).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(
      logLines(daemon.output()).some(({ level, msg }) => level === WARN && msg.includes("'broken'")),
    ).toBe(true);
  });
});

it('an owner cannot send test messages of alerts', async () => {
  const { status } = await call('POST', `${fathom.url}/api/v1/alerts/test`, { token: ann.token });
  expect(status).toBe(403);
});

it('an owner adds nothing at the global PocketBase', async () => {
  const client = new PocketBase(fathom.globalUrl);
  await client.collection('users').authWithPassword(ann.user.email, PASSWORD);
  await expect(
    client.collection('global_queue').create({ type: 'text.count', by_owner: true }),
  ).rejects.toMatchObject({ status: 403 });
  const { items } = await createClient({ target: { url: fathom.url }, token: bob.token }).queue.list();
  expect(items.every(({ user_id }) => user_id === bob.user.id)).toBe(true);
});
