import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { StreamReader } from '../helpers/stream-reader.ts';

let fathom: Deployment;

beforeAll(async () => {
  fathom = await createDeployment({
    API_KEYS_PER_USER: '5',
    SESSIONS_PER_USER: '4',
    STREAMS_PER_USER: '3',
    RESTARTS_PER_HOUR: '6',
    TASKS_PER_USER: '3',
  });
  await fathom.start();
});

afterAll(() => fathom.dispose());

function send<T = { code: string }>(user: Session, method: string, path: string, body?: unknown) {
  return call<T>(method, `${fathom.url}/api/v1${path}`, { token: user.token, body });
}

function countStatus(answers: readonly { status: number }[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

describe('a user who makes API keys all the time', () => {
  it('has no more than the limit, also with concurrent requests', async () => {
    const ann = await signUp(fathom.url, 'ann@example.com');
    const create = (index: number) => send(ann, 'POST', '/api-keys', { name: `key ${index}` });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => create(index)));
    expect(countStatus(answers)).toEqual({ 201: 5, 409: 55 });
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe('limit.reached');
    const keys = await fathom.client.apiKeys.all({ user_id: ann.user.id });
    expect(keys).toHaveLength(5);
    await fathom.client.apiKeys.revoke(keys[0]?.id ?? '');
    expect((await create(61)).status).toBe(201);
  });

  it('does not get around it with keys that expire soon, keys that make keys, or the account of another user', async () => {
    const abe = await signUp(fathom.url, 'abe@example.com');
    const soon = new Date(Date.now() + 60_000).toISOString();
    const { body } = await send<{ key: string }>(abe, 'POST', '/api-keys', { name: 'first' });
    for (let index = 0; index < 4; index += 1) {
      const key = { name: `soon ${index}`, expires_at: soon };
      expect(
        (await call('POST', `${fathom.url}/api/v1/api-keys`, { token: body.key, body: key })).status,
      ).toBe(201);
    }
    const next = { name: 'next', expires_at: soon };
    expect((await send(abe, 'POST', '/api-keys', next)).status).toBe(409);
    expect(
      (await call('POST', `${fathom.url}/api/v1/api-keys`, { token: body.key, body: next })).status,
    ).toBe(409);
    const other = await signUp(fathom.url, 'other@example.com');
    const forOther = { ...next, user_id: other.user.id };
    expect((await send(abe, 'POST', '/api-keys', forOther)).status).toBe(403);
  });

  it('gets the limit of the plan, and keeps the keys above a lower one', async () => {
    const ada = await signUp(fathom.url, 'ada@example.com');
    await fathom.client.plans.set('two-keys', { api_keys: 2 });
    for (let index = 0; index < 3; index += 1) await send(ada, 'POST', '/api-keys', { name: `k${index}` });
    await fathom.client.users.update(ada.user.id, { plan: 'two-keys' });
    expect((await send(ada, 'POST', '/api-keys', { name: 'more' })).status).toBe(409);
    expect(await fathom.client.apiKeys.all({ user_id: ada.user.id })).toHaveLength(3);
    await fathom.client.plans.set('two-keys', { api_keys: null });
    expect((await send(ada, 'POST', '/api-keys', { name: 'more' })).status).toBe(201);
  });
});

it('ends the oldest session when a user has more than the limit', async () => {
  const bea = await signUp(fathom.url, 'bea@example.com');
  const sessions: Session[] = [];
  for (let index = 0; index < 8; index += 1) sessions.push(await signIn(fathom.url, 'bea@example.com'));
  const works = await Promise.all(sessions.map((session) => send(session, 'GET', '/me')));
  expect(works.map(({ status }) => status)).toEqual([401, 401, 401, 401, 200, 200, 200, 200]);
  expect((await send(bea, 'GET', '/me')).status).toBe(401);
  expect(await fathom.client.sessions.all({ user_id: bea.user.id })).toHaveLength(4);
});

it('applies the limit of sessions of the plan, by password and by a token of the global PocketBase', async () => {
  const bob = await signUp(fathom.url, 'bob@example.com');
  await fathom.client.plans.set('two-sessions', { sessions: 2 });
  await fathom.client.users.update(bob.user.id, { plan: 'two-sessions' });
  const countSessions = async () => (await fathom.client.sessions.all({ user_id: bob.user.id })).length;
  for (let index = 0; index < 3; index += 1) await signIn(fathom.url, 'bob@example.com');
  expect(await countSessions()).toBe(2);
  const global = await call<{ token: string }>(
    'POST',
    `${fathom.globalUrl}/api/collections/users/auth-with-password`,
    { body: { identity: 'bob@example.com', password: PASSWORD } },
  );
  const exchange = () =>
    call<Session>('POST', `${fathom.url}/api/v1/auth/exchange`, { body: { token: global.body.token } });
  const exchanged = await exchange();
  expect(exchanged.status).toBe(200);
  expect(await countSessions()).toBe(2);
  await fathom.client.plans.set('two-sessions', { sessions: null });
  for (let index = 0; index < 4; index += 1) await exchange();
  expect(await countSessions()).toBe(6);
});

it('refuses more streams than the limit over all sessions, until one is closed', async () => {
  const cleo = await signUp(fathom.url, 'cleo@example.com');
  const again = await signIn(fathom.url, 'cleo@example.com');
  const open = async (token: string) => {
    const reader = new StreamReader(fathom, { token });
    const isOpen = await Promise.race([
      new Promise<true>((resolve) => reader.socket.once('open', () => resolve(true))),
      reader.closed.then(() => false as const),
    ]);
    return { reader, isOpen };
  };
  const streams = await Promise.all(
    Array.from({ length: 12 }, (_, index) => open(index % 2 === 0 ? cleo.token : again.token)),
  );
  const opened = streams.filter(({ isOpen }) => isOpen);
  expect(opened).toHaveLength(3);
  opened[0]?.reader.socket.close();
  await opened[0]?.reader.closed;
  expect((await open(cleo.token)).isOpen).toBe(true);
});

describe('an owner who restarts the own database all the time', () => {
  it('is refused after the limit at both interfaces, and the events of others stay', async () => {
    const dan = await signUp(fathom.url, 'dan@example.com');
    const eve = await signUp(fathom.url, 'eve@example.com');
    const before = (await fathom.client.events.list({ name: eve.database.name })).total;
    const answers: { status: number; headers: Headers }[] = [];
    for (let index = 0; index < 40; index += 1) {
      const verb = ['restart', 'stop', 'start'][index % 3];
      answers.push(await send(dan, 'POST', `/databases/${dan.database.name}/${verb}`));
    }
    const lifecycle = `${fathom.url}/api/users/${dan.user.id}`;
    for (const path of ['/stop_pb', '/init_pb']) {
      const body = path === '/init_pb' ? { force_restart: true } : undefined;
      answers.push(await call('POST', `${lifecycle}${path}`, { token: dan.token, body }));
    }
    expect(countStatus(answers)).toEqual({ 200: 6, 429: 36 });
    expect(Number(answers.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(60);
    expect((await fathom.client.events.list({ name: eve.database.name })).total).toBe(before);
    expect((await fathom.client.databases.get(dan.database.name)).phase).toBe('running');
    // The address of a running database is no restart.
    expect((await call('POST', `${lifecycle}/init_pb`, { token: dan.token, body: {} })).status).toBe(200);
    // Refused requests are not recorded.
    const { total } = await fathom.client.audit.list({ target: dan.database.name });
    expect(total).toBe(6);
    await fathom.client.databases.restart(dan.database.name);
  });
});

it('refuses tasks for a user beyond the limit, until some have ended', async () => {
  const fay = await signUp(fathom.url, 'fay@example.com');
  const run_at = new Date(Date.now() + 3_600_000).toISOString();
  const task = { type: 'http.request', payload: { url: 'http://127.0.0.1:9/' }, run_at };
  const add = (user_id?: string) => fathom.client.queue.add({ ...task, ...(user_id && { user_id }) });
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => add(fay.user.id)));
  const added = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(added).toHaveLength(3);
  await expect(add(fay.user.id)).rejects.toMatchObject({ code: 'limit.reached' });
  await add();
  await fathom.client.queue.cancel(added[0]?.id ?? '');
  await add(fay.user.id);
});
