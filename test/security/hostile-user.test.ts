import { get } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { REFUSED_BY_TRIGGER } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { type LogLine, logLines } from '../helpers/log-lines.ts';
import { Realtime } from '../helpers/realtime.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

const OTHER_PASSWORD = 'another-password';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;

beforeAll(async () => {
  ({ fathom, daemon, admin } = await startedDeployment());
});

afterAll(() => fathom.dispose());

/** Signs in straight at the global PocketBase. */
async function globalToken(email: string): Promise<string> {
  const { body } = await call<{ token: string }>(
    'POST',
    `${fathom.globalUrl}/api/collections/users/auth-with-password`,
    { body: { identity: email, password: PASSWORD } },
  );
  return body.token;
}

const patch = (pocketBase: string, { user }: Session, token: string, body: object) =>
  call('PATCH', `${pocketBase}/api/collections/users/records/${user.id}`, {
    body,
    headers: { authorization: token },
  });

const newPassword = { oldPassword: PASSWORD, password: OTHER_PASSWORD, passwordConfirm: OTHER_PASSWORD };

/** Until the own database has it as well. */
async function changePassword(session: Session, email: string): Promise<void> {
  const token = await globalToken(email);
  const logged = daemon.output().length;
  expect((await patch(fathom.globalUrl, session, token, newPassword)).status).toBe(200);
  const isOfAccount = (line: LogLine) =>
    line['instance'] === session.database.name && line['user'] === session.user.id;
  await until(() => logLines(daemon.output().slice(logged)).some(isOfAccount), {
    what: 'the account to be synchronised',
  });
}

describe('a stolen token, after a change of the password,', () => {
  it('receives no more events from the realtime of the database', async () => {
    const session = await signUp(fathom.url, 'listened@example.com');
    const { url, token } = session.database;
    const write = (title: string, by: string) =>
      call('POST', `${url}/api/collections/documents/records`, {
        body: { title },
        headers: { authorization: by },
      });
    const thief = new Realtime(url);
    onTestFinished(() => thief.close());
    await thief.connect();
    expect(await thief.subscribe('documents/*', token)).toBe(204);
    await write('before', token);
    await until(() => thief.titles.length > 0, { what: 'the realtime to work' });

    await changePassword(session, 'listened@example.com');
    const fresh = (await signIn(fathom.url, 'listened@example.com', OTHER_PASSWORD)).database.token;
    await write('secret', fresh);
    // On the same connection, so that nothing is still under way when this has come.
    expect(await thief.subscribe('documents/*', fresh)).toBe(204);
    await write('after', fresh);
    await until(() => thief.titles.includes('after'), { what: 'the last one' });
    expect(thief.titles).toEqual(['before', 'after']);
  });

  it('does not bring it back by saving what was read before', async () => {
    const session = await signUp(fathom.url, 'kept@example.com');
    const file = join(fathom.dataDir, 'user_dbs', session.database.name, 'pb_data', 'data.db');
    const own = new DatabaseSync(file);
    onTestFinished(() => own.close());
    const read = () => own.prepare('SELECT password, tokenKey FROM users').get() as Record<string, string>;
    const before = read();
    await changePassword(session, 'kept@example.com');
    // What PocketBase does with a change of the name that it began before: it writes every column.
    const save = own.prepare('UPDATE users SET name = ?, password = ?, tokenKey = ?');
    expect(() => save.run('x', before['password'] ?? '', before['tokenKey'] ?? '')).toThrow(
      expect.objectContaining(REFUSED_BY_TRIGGER),
    );
    const after = read();
    expect(after['password']).not.toBe(before['password']);
    save.run('x', after['password'] ?? '', after['tokenKey'] ?? '');
  });

  it('does not bring it back at the global PocketBase, nor a role, with a change of the name', async () => {
    const session = await signUp(fathom.url, 'raced@example.com');
    const token = await globalToken('raced@example.com');
    const global = new DatabaseSync(join(fathom.dataDir, 'global', 'pb_data', 'data.db'), {
      timeout: 10_000,
    });
    onTestFinished(() => global.close());
    // While another writer holds the lock, the change has been read and waits to be saved.
    global.exec('BEGIN IMMEDIATE');
    const renaming = patch(fathom.globalUrl, session, token, { name: 'x' });
    const looks = Array.from({ length: 50 }, () =>
      call('GET', `${fathom.globalUrl}/api/collections/users/records`),
    );
    await Promise.all(looks);
    const key = 'k'.repeat(50);
    global.prepare("UPDATE users SET tokenKey = ?, role = 'viewer' WHERE id = ?").run(key, session.user.id);
    global.exec('COMMIT');
    expect((await renaming).status).toBe(200);
    const kept = global.prepare('SELECT name, tokenKey, role FROM users WHERE id = ?').get(session.user.id);
    expect({ ...kept }).toEqual({ name: 'x', tokenKey: key, role: 'viewer' });
  });
});

it('a deactivated user loses access to the global PocketBase at once', async () => {
  const session = await signUp(fathom.url, 'gone@example.com');
  const token = await globalToken('gone@example.com');
  expect((await patch(fathom.globalUrl, session, token, { name: 'here' })).status).toBe(200);
  await call('PATCH', `${fathom.url}/api/v1/users/${session.user.id}`, {
    token: admin,
    body: { is_active: false },
  });
  expect((await patch(fathom.globalUrl, session, token, { name: 'ghost' })).status).toBe(404);
  expect((await patch(fathom.globalUrl, session, token, newPassword)).status).toBe(404);
});

it('an id cannot be chosen at sign-up, as it could be that of an earlier user', async () => {
  const account = { email: 'same@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
  const records = `${fathom.globalUrl}/api/collections/users/records`;
  const chosen = await call<{ data: object }>('POST', records, { body: { ...account, id: 'a'.repeat(15) } });
  expect(chosen).toMatchObject({ status: 400, body: { data: { id: { code: 'validation_not_allowed' } } } });
  expect((await call('POST', records, { body: account })).status).toBe(200);
});

it('a flood of stream requests delays only its sender', async () => {
  const [flooder, other] = [
    await signUp(fathom.url, 'flood@example.com'),
    await signUp(fathom.url, 'other@example.com'),
  ];
  const stream = new StreamReader(fathom, { token: flooder.token });
  onTestFinished(() => stream.close());
  await stream.subscribe(0, 'queue');
  const asked = 5_000;
  for (let id = 1; id <= asked; id += 1) stream.send({ type: 'subscribe', id, topics: ['queue'] });
  const answers = () => stream.frames.filter(({ type }) => type === 'ok').length;
  await until(() => answers() > 10, { what: 'the flood to arrive' });
  expect((await call('GET', `${fathom.url}/api/v1/me`, { token: other.token })).status).toBe(200);
  expect(answers()).toBeLessThan(asked / 2);
});

/** A connection to a realtime, from another address than the daemon's own, which the global PocketBase does not count. */
const openRealtime = (base: string) =>
  new Promise<number>((resolve, reject) => {
    const asked = get(`${base}/api/realtime`, { localAddress: '127.0.0.2', agent: false }, (response) => {
      response.on('error', () => {});
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', reject);
    onTestFinished(() => {
      asked.destroy();
    });
  });

it('a stranger opens so many connections to a realtime, and no more', async () => {
  const { database } = await signUp(fathom.url, 'quiet@example.com');
  for (const base of [fathom.globalUrl, database.url]) {
    const answers: number[] = [];
    while (answers.length < 200 && answers.at(-1) !== 429) answers.push(await openRealtime(base));
    expect(answers.at(-1)).toBe(429);
    expect(answers.slice(0, 50)).toEqual(Array.from({ length: 50 }, () => 200));
    expect((await call('GET', `${base}/api/health`)).status).toBe(200);
  }
});
