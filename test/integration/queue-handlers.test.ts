import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../shared/api/queue.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, signUp } from '../helpers/http-call.ts';
import { listening } from '../helpers/listening.ts';
import { finished } from '../helpers/queue.ts';
import { textWith } from '../helpers/text-with.ts';

let fathom: Deployment;

beforeAll(async () => {
  ({ fathom } = await startedDeployment({ QUEUE_ALLOWED_TARGETS: '127.0.0.1' }));
});

afterAll(() => fathom.dispose());

interface Asked {
  method: string;
  headers: Record<string, unknown>;
  body: string;
}

/** A foreign server with these answers; the last one is repeated. */
async function webhook(
  answers: readonly { status: number; headers?: Record<string, string> }[],
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const { status, headers } = answers[Math.min(asked.length, answers.length - 1)] ?? { status: 200 };
      asked.push({ method: String(request.method), headers: request.headers, body });
      response.writeHead(status, headers ?? {}).end(`answer ${asked.length}`);
    });
  });
  return { url: `${await listening(server)}/hook`, asked };
}

describe('http.request', () => {
  it('sends its body and its secret headers, and keeps the answer', async () => {
    const { url, asked } = await webhook([{ status: 200 }]);
    const key = randomBytes(12).toString('hex');
    const { id } = await fathom.client.queue.add({
      type: 'http.request',
      payload: { url, body: { n: 1 }, secrets: { headers: { authorization: `Bearer ${key}` } } },
    });
    const task = await finished(fathom, id);
    expect(task).toMatchObject({ status: 'done', result: { status: 200 }, answer: 'answer 1', secret: true });
    expect(asked).toMatchObject([
      { method: 'POST', body: '{"n":1}', headers: { authorization: `Bearer ${key}`, 'idempotency-key': id } },
    ]);
    expect(JSON.stringify(task)).not.toContain(key);
    const stored = await superuser((client) => client.collection('global_queue').getOne(id));
    expect(JSON.stringify(stored)).not.toContain(key);
    expect(stored['secrets']).toMatch(/^v1\./);
  });

  it('tries again after 5xx and 429, and not before Retry-After', async () => {
    const { url, asked } = await webhook([
      { status: 503 },
      { status: 429, headers: { 'retry-after': '2' } },
      { status: 200 },
    ]);
    const { id } = await fathom.client.queue.add({ type: 'http.request', payload: { url } });
    const task = await finished(fathom, id);
    expect(task).toMatchObject({ status: 'done', attempts: 3 });
    expect(asked).toHaveLength(3);
    const [, second] = task.errors ?? [];
    expect(second?.code).toBe('http_429');
    expect(Date.parse(String(task.finished_at)) - Date.parse(String(second?.at))).toBeGreaterThanOrEqual(
      2_000,
    );
  });

  it('does not try again after another 4xx, or with a payload that is not right', async () => {
    const { url, asked } = await webhook([{ status: 404 }]);
    const refused = await fathom.client.queue.add({ type: 'http.request', payload: { url } });
    expect(await finished(fathom, refused.id)).toMatchObject({ status: 'dead', attempts: 1 });
    expect(asked).toHaveLength(1);
    const wrong = await fathom.client.queue.add({
      type: 'http.request',
      payload: { url: 'file:///etc/passwd' },
    });
    expect(await finished(fathom, wrong.id)).toMatchObject({ status: 'dead', attempts: 1 });
  });

  it('does not try again what cannot be sent, and says what to do', async () => {
    const { url, asked } = await webhook([{ status: 200 }]);
    const cases: [payload: object, ...named: string[]][] = [
      [{ url: 'http://me:mine@127.0.0.1:1/' }, 'url', 'authorization'],
      [{ url, method: 'GET', body: 'x' }, 'GET'],
      [{ url, headers: { 'two words': '' } }, 'two words'],
      [{ url, headers: { 'x-note': 'a\r\nx-more: b' } }, 'x-note'],
      [{ url, secrets: { headers: { 'x-note': 'a\nb' } } }, 'x-note'],
      [{ url, headers: { 'Content-Length': '3' } }, 'content-length'],
    ];
    for (const [payload, ...named] of cases) {
      const { id } = await fathom.client.queue.add({ type: 'http.request', payload });
      const task = await finished(fathom, id);
      expect(task).toMatchObject({ status: 'dead', attempts: 1 });
      expect(task.errors?.[0]?.message).toEqual(textWith(...named));
    }
    expect(asked).toEqual([]);
  });

  it.each([301, 302, 303, 307, 308])(
    'follows no redirection (%i), and does not take it for delivered',
    async (status) => {
      const inside = await webhook([{ status: 200 }]);
      const { url } = await webhook([{ status, headers: { location: inside.url } }]);
      const { id } = await fathom.client.queue.add({
        type: 'http.request',
        payload: { url, body: { n: 1 } },
      });
      const task = await finished(fathom, id);
      expect(task).toMatchObject({
        status: 'dead',
        attempts: 1,
        answer: `location: ${inside.url}\nanswer 1`,
      });
      expect(task.errors?.[0]?.message).not.toContain(inside.url);
      expect(inside.asked).toEqual([]);
    },
  );

  it('connects to public addresses only, in any notation', async () => {
    const { url, asked } = await webhook([{ status: 200 }]);
    const { port } = new URL(url);
    const forms = ['127.0.0.2', '0.0.0.0', '127.1.1', '[::1]', '[::ffff:127.0.0.2]', '[64:ff9b::7f00:2]'];
    for (const host of [...forms, '2130706434', '0x7f000002']) {
      const { id } = await fathom.client.queue.add({
        type: 'http.request',
        payload: { url: `http://${host}:${port}/` },
      });
      const task = await finished(fathom, id);
      expect(task, host).toMatchObject({ status: 'dead', attempts: 1, answer: null });
      expect(task.errors?.[0]?.message).toContain('QUEUE_ALLOWED_TARGETS=');
    }
    expect(asked).toEqual([]);
  });

  it('shows the answer to administrators alone', async () => {
    const { user, token } = await signUp(fathom.url, 'answered@example.com');
    for (const status of [200, 404]) {
      const { url } = await webhook([{ status }]);
      const { id } = await fathom.client.queue.add({
        type: 'http.request',
        payload: { url },
        user_id: user.id,
      });
      expect(await finished(fathom, id)).toMatchObject({ answer: 'answer 1' });
      const shown = await call<Task>('GET', `${fathom.url}/api/v1/queue/tasks/${id}`, { token });
      expect(shown.body).toMatchObject({ id, answer: null });
      const owner = new PocketBase(fathom.globalUrl);
      await owner.collection('users').authWithPassword('answered@example.com', PASSWORD);
      const record = await owner.collection('global_queue').getOne(id);
      for (const view of [shown.body, record]) expect(JSON.stringify(view)).not.toContain('answer 1');
      const guessed = owner.collection('global_queue').getList(1, 1, { filter: "answer ~ 'answer'" });
      await expect(guessed).rejects.toMatchObject({ status: 400 });
    }
  });

  it('keeps the beginning of an answer that does not end', async () => {
    const server = createServer((_, response) => {
      const write = () => {
        while (response.write('x'.repeat(65_536)));
      };
      response.on('drain', write);
      write();
    });
    const url = await listening(server);
    const { id } = await fathom.client.queue.add({ type: 'http.request', payload: { url }, max_attempts: 1 });
    expect(await finished(fathom, id)).toMatchObject({ status: 'done', answer: 'x'.repeat(4_000) });
  });

  it('gives up on an answer that does not come', async () => {
    const server = createServer(() => {});
    const url = await listening(server);
    const { id } = await fathom.client.queue.add({
      type: 'http.request',
      payload: { url, timeout_s: 0.2 },
      max_attempts: 1,
    });
    const task = await finished(fathom, id);
    expect(task.errors?.[0]?.message).toContain('0.2 s');
  });
});

describe('tasks on databases', () => {
  it('database.vacuum frees what was deleted, beside the running PocketBase', async () => {
    const { database, user } = await signUp(fathom.url, 'vacuum@example.com');
    const owner = new PocketBase(database.url);
    owner.authStore.save(database.token);
    const data = { text: 'x'.repeat(50_000) };
    for (let count = 0; count < 20; count += 1) {
      const { id } = await owner.collection('documents').create({ title: 'big', data });
      await owner.collection('documents').delete(id);
    }
    const { id } = await fathom.client.queue.add({ type: 'database.vacuum', user_id: user.id });
    const task = await finished(fathom, id);
    expect(task.status, JSON.stringify(task.errors)).toBe('done');
    const { before_bytes, after_bytes, freed_bytes } = task.result as Record<string, number>;
    expect(freed_bytes).toBeGreaterThan(50_000);
    expect(Number(before_bytes) - Number(after_bytes)).toBe(freed_bytes);
    await expect(owner.collection('documents').create({ title: 'after', data: {} })).resolves.toBeDefined();
  });

  it('database.provision gives a database to who has none, and is done where there is one', async () => {
    const { user, database } = await signUp(fathom.url, 'has-one@example.com');
    const { id } = await fathom.client.queue.add({ type: 'database.provision', user_id: user.id });
    expect(await finished(fathom, id)).toMatchObject({ status: 'done', result: { database: database.name } });
    await fathom.client.databases.delete(database.name);
    const again = await fathom.client.queue.add({ type: 'database.provision', user_id: user.id });
    const made = await finished(fathom, again.id);
    expect(made.status).toBe('done');
    expect(made.result).not.toEqual({ database: database.name });
  });

  it('fail with the reason while the database is stopped', async () => {
    const { user, database } = await signUp(fathom.url, 'stopped@example.com');
    await fathom.client.databases.stop(database.name);
    const { id } = await fathom.client.queue.add({
      type: 'database.vacuum',
      user_id: user.id,
      max_attempts: 1,
    });
    const task = await finished(fathom, id);
    expect(task.errors?.[0]?.message).toBe(
      `the database ${database.name} is stopped; it has to run for this`,
    );
  });
});

async function superuser<T>(work: (client: PocketBase) => Promise<T>): Promise<T> {
  const client = new PocketBase(fathom.globalUrl);
  await client.collection('_superusers').authWithPassword(fathom.admin.email, fathom.admin.password);
  return work(client);
}
