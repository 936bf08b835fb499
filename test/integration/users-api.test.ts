import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { User } from '../../shared/api/accounts/users.ts';
import type { Page } from '../../shared/api/contract/page.ts';
import { parseDatabaseName } from '../../shared/database-name.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { databaseRows, expectWholeFleet } from '../helpers/fleet-state.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { textWith } from '../helpers/text-with.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let ann: Session;

beforeAll(async () => {
  fathom = await createDeployment();
  daemon = await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
});

afterAll(() => fathom.dispose());

function users<T = User>(method: string, path = '', token: string | undefined = admin, body?: unknown) {
  return call<T>(method, `${fathom.url}/api/v1/users${path}`, { token, body });
}

async function filtered(query: string): Promise<Page<User>> {
  return (await users<Page<User>>('GET', query)).body;
}

function run(args: readonly string[], input = '') {
  return fathomd([...args, '--socket', fathom.socketPath], { input });
}

function me(token: string) {
  return call('GET', `${fathom.url}/api/v1/me`, { token });
}

async function audited(target: string) {
  const { items } = await fathom.client.audit.list({ target });
  return items.map(({ action, detail }) => ({ action, detail: JSON.parse(detail) as object }));
}

describe('users', () => {
  it('are listed, paged and sorted, with the name of their database', async () => {
    const { body } = await users<Page<User>>('GET', '?sort=email');
    expect(body).toMatchObject({ page: 1, per_page: 50, total: 2 });
    expect(body.items).toMatchObject([
      { email: fathom.admin.email, role: 'admin', is_active: true, database: null },
      { email: 'ann@example.com', role: 'user', is_active: true, database: ann.database.name },
    ]);
    const { body: second } = await users<Page<User>>('GET', '?sort=-email&page=2&per_page=1');
    expect(second).toMatchObject({ page: 2, per_page: 1, total: 2, items: [{ role: 'admin' }] });
    expect(JSON.stringify(body)).not.toMatch(/password|tokenKey/);
    expect((await users('GET', '?sort=password')).status).toBe(400);
  });

  it('are found by their address, however it is capitalised', async () => {
    for (const email of ['ann@example.com', 'Ann@Example.COM']) {
      const { body } = await users<Page<User>>('GET', `?email=${email}`);
      expect(body).toMatchObject({ total: 1, items: [{ id: ann.user.id }] });
    }
    for (const email of ['nn@example.com', 'ann%', "' || id != ''"]) {
      const { body } = await users<Page<User>>('GET', `?email=${encodeURIComponent(email)}`);
      expect(body).toMatchObject({ total: 0, items: [] });
    }
    expect((await users('GET', '?email=ann@example.com', ann.token)).status).toBe(403);
    // It would end the text that is compared with, and what follows would be looked for instead.
    expect((await users('GET', `?email=${encodeURIComponent('ann\\')}`)).status).toBe(400);
  });

  it('are filtered by role, by whether they are active, and by a part of their address', async () => {
    expect(await filtered('?role=admin')).toMatchObject({ total: 1, items: [{ role: 'admin' }] });
    expect(await filtered('?is_active=false')).toMatchObject({ total: 0, items: [] });
    const found = { total: 1, items: [{ id: ann.user.id }] };
    expect(await filtered('?is_active=true&role=user&search=NN@ex')).toMatchObject(found);
    expect(await filtered('?search="')).toMatchObject({ total: 0 });
    for (const query of ['?role=boss', '?is_active=1', '?search=%5C'])
      expect((await users('GET', query)).status, query).toBe(400);
  });

  it('are made by administrators, with a database if the role has one', async () => {
    const { status, body } = await users('POST', '', admin, {
      email: 'made@example.com',
      password: PASSWORD,
      name: 'Made',
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ email: 'made@example.com', name: 'Made', role: 'user' });
    expect(parseDatabaseName(body.database ?? '')).toMatchObject({ username: 'made' });
    const operator = await users('POST', '', admin, {
      email: 'op@example.com',
      password: PASSWORD,
      role: 'operator',
    });
    expect(operator.body).toMatchObject({ role: 'operator', database: null });
    expect((await signIn(fathom.url, 'op@example.com')).database).toBeNull();
    const again = await users('POST', '', admin, { email: 'made@example.com', password: PASSWORD });
    const detail = textWith("'fathomd users show made@example.com'");
    expect(again).toMatchObject({ status: 409, body: { code: 'auth.email_taken', detail } });
  });

  it('are shown to themselves and to administrators alone', async () => {
    const path = `/${ann.user.id}`;
    expect((await users('GET', path, ann.token)).body).toMatchObject({ email: 'ann@example.com' });
    const made = await signIn(fathom.url, 'made@example.com');
    expect((await users('GET', path, made.token)).status).toBe(403);
    for (const [method, on] of [
      ['GET', ''],
      ['POST', ''],
      ['PATCH', path],
      ['DELETE', path],
    ] as const) {
      const body = method === 'POST' ? { email: 'x@example.com', password: PASSWORD } : {};
      const sent = method === 'GET' || method === 'DELETE' ? undefined : body;
      expect((await users(method, on, ann.token, sent)).status, `${method} ${on}`).toBe(403);
      expect((await call(method, `${fathom.url}/api/v1/users${on}`, { body: sent })).status).toBe(401);
    }
  });

  it('lose access at once when they are not active, and get it back', async () => {
    const { id } = ann.user;
    expect((await users('PATCH', `/${id}`, admin, { is_active: false })).body).toMatchObject({
      is_active: false,
    });
    expect(await call('GET', `${fathom.url}/api/v1/me`, { token: ann.token })).toMatchObject({
      status: 401,
      body: { code: 'auth.required' },
    });
    await expect(signIn(fathom.url, 'ann@example.com')).rejects.toThrow('answered 401');
    await users('PATCH', `/${id}`, admin, { is_active: true });
    expect((await signIn(fathom.url, 'ann@example.com')).database.name).toBe(ann.database.name);
  });

  it('get another role, which counts for the session that is there', async () => {
    const session = await signUp(fathom.url, 'riser@example.com');
    expect((await users<object>('GET', '', session.token)).status).toBe(403);
    await users('PATCH', `/${session.user.id}`, admin, { role: 'admin' });
    expect((await users<object>('GET', '', session.token)).status).toBe(200);
    await users('PATCH', `/${session.user.id}`, admin, { role: 'user' });
    expect((await users<object>('GET', '', session.token)).status).toBe(403);
    for (const body of [{ role: 'god' }, { email: 'x@example.com' }, { is_active: 'no' }]) {
      expect((await users('PATCH', `/${session.user.id}`, admin, body)).status).toBe(400);
    }
  });

  it('answer 404 when they are not there', async () => {
    for (const method of ['GET', 'DELETE', 'PATCH']) {
      const body = method === 'PATCH' ? { is_active: true } : undefined;
      expect(await users(method, '/nosuchuser00000', admin, body)).toMatchObject({
        status: 404,
        body: { code: 'not_found', detail: "there is no user 'nosuchuser00000'" },
      });
      expect((await users(method, '/..%2f..%2fx', admin, body)).status).toBe(400);
    }
  });

  it('go with their database when they are deleted, and its number is never given again', async () => {
    const doomed = await signUp(fathom.url, 'doomed@example.com');
    const directory = join(fathom.dataDir, 'user_dbs', doomed.database.name);
    expect(existsSync(directory)).toBe(true);
    expect((await users('DELETE', `/${doomed.user.id}`)).status).toBe(204);
    expect(existsSync(directory)).toBe(false);
    expect((await databaseRows(fathom)).map(({ user }) => user)).not.toContain(doomed.user.id);
    expect(await call('GET', `${fathom.url}/api/v1/me`, { token: doomed.token })).toMatchObject({
      status: 401,
    });
    await expect(signIn(fathom.url, 'doomed@example.com')).rejects.toThrow('answered 401');

    // Neither now nor by another daemon.
    const taken = parseDatabaseName(doomed.database.name)?.number ?? 0;
    const next = await signUp(fathom.url, 'doomed@example.com');
    expect(next.user.id).not.toBe(doomed.user.id);
    expect(parseDatabaseName(next.database.name)).toMatchObject({ number: taken + 1 });
    await users('DELETE', `/${next.user.id}`);
    await daemon.stop();
    daemon = await fathom.start();
    const last = await signUp(fathom.url, 'last@example.com');
    expect(parseDatabaseName(last.database.name)).toMatchObject({ number: taken + 2 });
  });

  it('are deleted once, with their database, however many ask for either at a time', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { user, database } = await signUp(fathom.url, `many-${round}@example.com`);
      const remove = (path: string) => call('DELETE', `${fathom.url}/api/v1/${path}`, { token: admin });
      const answers = await Promise.all(
        Array.from({ length: 3 }, () => [
          remove(`users/${user.id}`),
          remove(`databases/${database.name}`),
        ]).flat(),
      );
      // Who comes later finds it deleted.
      for (const { status, body } of answers) expect([204, 404], JSON.stringify(body)).toContain(status);
      expect((await users('GET', `/${user.id}`)).status).toBe(404);
    }
  });

  it('may be deleted while their database is being made', async () => {
    // Straight at the global PocketBase, the answer does not wait for the database.
    const response = await call<{ id: string }>('POST', `${fathom.globalUrl}/api/collections/users/records`, {
      body: { email: 'hasty@example.com', password: PASSWORD, passwordConfirm: PASSWORD },
    });
    expect((await users('DELETE', `/${response.body.id}`)).status).toBe(204);
    const rows = await expectWholeFleet(fathom);
    expect(rows.map(({ user }) => user)).not.toContain(response.body.id);
  });
});

describe('the commands for users', () => {
  let cal: Session;

  beforeAll(async () => {
    cal = await signUp(fathom.url, 'cal@example.com');
  });

  it('show one by its address or id, and say how to find who is not there', async () => {
    const shown = await run(['users', 'show', 'CAL@example.com', '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ id: cal.user.id, database: cal.database.name });
    expect((await run(['users', 'show', cal.user.id])).stdout).toMatch(
      new RegExp(`^e-mail +cal@example\\.com\nid +${cal.user.id}\n`),
    );
    for (const unknown of ['unknown@example.com', 'cal']) {
      expect(await run(['users', 'show', unknown])).toMatchObject({
        exitCode: 1,
        stderr: textWith(`'${unknown}'`, "'fathomd users list'"),
      });
    }
  });

  it('give a role, which counts at once, and write down who got which', async () => {
    expect((await users<object>('GET', '', cal.token)).status).toBe(403);
    const set = await run(['users', 'set', 'cal@example.com', '--role', 'operator']);
    expect(set.stdout).toEqual(textWith('cal@example.com', cal.user.id, 'operator'));
    expect((await users<object>('GET', '', cal.token)).status).toBe(200);
    expect(await audited(cal.user.id)).toContainEqual({
      action: 'user.update',
      detail: expect.objectContaining({ role: 'operator' }),
    });
    expect(await run(['users', 'set', 'cal@example.com'])).toMatchObject({
      exitCode: 2,
      stderr: 'fathomd: nothing to set; name --role, --plan, --active, --no-active or --verified',
    });
  });

  it('lock one out and let it in again, with its data', async () => {
    expect((await run(['users', 'set', cal.user.id, '--no-active'])).exitCode).toBe(0);
    await expect(signIn(fathom.url, 'cal@example.com')).rejects.toThrow('answered 401');
    const back = await run(['users', 'set', cal.user.id, '--active', '--role', 'user', '--json']);
    expect(JSON.parse(back.stdout)).toMatchObject({ is_active: true, role: 'user' });
    cal = await signIn(fathom.url, 'cal@example.com');
    expect(cal.database.name).toMatch(/-cal$/);
  });

  it('sign one out everywhere, and end its keys unless they are to stay', async () => {
    const key = await run(['keys', 'add', 'cal@example.com', '--name', 'backup']);
    expect((await run(['users', 'sign-out', 'cal@example.com', '--no-keys'])).exitCode).toBe(0);
    expect((await me(cal.token)).status).toBe(401);
    expect(await me(key.stdout)).toMatchObject({ status: 200, body: { email: 'cal@example.com' } });
    expect((await run(['users', 'sign-out', 'cal@example.com'])).exitCode).toBe(0);
    expect((await me(key.stdout)).status).toBe(401);
  });

  it('list and end the sessions of all', async () => {
    cal = await signIn(fathom.url, 'cal@example.com');
    const list = async () =>
      JSON.parse((await run(['sessions', 'list', '--user-id', cal.user.id, '--json'])).stdout) as {
        id: string;
      }[];
    const [session, ...others] = await list();
    expect(others).toEqual([]);
    expect((await run(['sessions', 'list', '--all'])).stdout).toEqual(textWith('USER ID', cal.user.id));
    const ended = await run(['sessions', 'end', session?.id ?? '', '--json']);
    expect(JSON.parse(ended.stdout)).toEqual({ id: session?.id });
    expect(await list()).toEqual([]);
    expect((await run(['sessions', 'end', session?.id ?? ''])).exitCode).toBe(1);
    expect((await me(cal.token)).status).toBe(401);
  });

  it('delete one with its database when its address is typed, and not otherwise', async () => {
    const { name } = cal.database;
    const wrong = await run(['users', 'delete', cal.user.id], 'cal\n');
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
    expect(wrong.stderr).toContain(name);
    expect((await users('GET', `/${cal.user.id}`)).status).toBe(200);
    const right = await run(['users', 'delete', 'cal@example.com'], 'cal@example.com\n');
    expect(right.stdout).toEqual(textWith('cal@example.com', cal.user.id, name));
    expect((await users('GET', `/${cal.user.id}`)).status).toBe(404);
    expect(existsSync(join(fathom.dataDir, 'user_dbs', name))).toBe(false);
    expect((await audited(cal.user.id)).map(({ action }) => action)).toContain('user.delete');
  });
});
