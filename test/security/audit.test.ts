import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { MAX_PER_ACCOUNT, MAX_PER_MINUTE } from '../../daemon/audit/failed-entries.ts';
import type { AuditEntry, AuditVerification } from '../../shared/api/audit.ts';
import type { Page } from '../../shared/api/contract/page.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { fathomd as run } from '../helpers/fathomd.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { deployment, startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { textWith } from '../helpers/text-with.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;

beforeAll(async () => {
  ({ fathom, daemon, admin } = await startedDeployment());
});

afterAll(() => fathom.dispose());

async function entries(query = ''): Promise<AuditEntry[]> {
  const { body } = await call<Page<AuditEntry>>('GET', `${fathom.url}/api/v1/audit${query}`, {
    token: admin,
  });
  return body.items;
}

function fathomd(...args: string[]) {
  return run([...args, '--socket', fathom.socketPath], { cwd: fathom.dataDir });
}

const globalFile = () => join(fathom.dataDir, 'global', 'pb_data', 'data.db');

/** Changes the file directly, as its owner can. */
function tamper(statement: string): void {
  const database = new DatabaseSync(globalFile(), { timeout: 5000 });
  database.exec(statement);
  database.close();
}

async function verified(): Promise<object> {
  return JSON.parse((await fathomd('audit', 'verify', '--json')).stdout) as object;
}

describe('the audit log', () => {
  it('tells who did what, from where, on what and how it ended', async () => {
    const ann = await signUp(fathom.url, 'ann@example.com');
    const wrong = { email: 'ann@example.com', password: 'wrong' };
    await call('POST', `${fathom.url}/api/v1/auth/login`, { body: wrong });
    const database = `${fathom.url}/api/v1/databases/${ann.database.name}`;
    await call('POST', `${database}/stop`, { token: admin });
    await call('DELETE', database, { token: ann.token });
    const patch = { token: admin, body: { role: 'viewer' } };
    const answer = await call('PATCH', `${fathom.url}/api/v1/users/${ann.user.id}`, patch);
    const adminId = (await call<{ id: string }>('GET', `${fathom.url}/api/v1/me`, { token: admin })).body.id;
    const [changed, denied, stopped, failed, signedUp] = await entries();
    expect(changed).toMatchObject({
      actor_kind: 'session',
      actor: adminId,
      address: '127.0.0.1',
      action: 'user.update',
      target: ann.user.id,
      outcome: 'ok',
      detail: '{"status":200,"role":"viewer"}',
      request_id: answer.headers.get('x-request-id'),
    });
    expect(denied).toMatchObject({ actor: ann.user.id, action: 'database.delete', outcome: 'refused' });
    expect(stopped).toMatchObject({ action: 'database.stop', target: ann.database.name, outcome: 'ok' });
    expect(failed).toMatchObject({ action: 'sign-in', target: 'ann@example.com', outcome: 'refused' });
    expect(signedUp).toMatchObject({ action: 'sign-up', target: 'ann@example.com', outcome: 'ok' });
    expect(JSON.stringify(await entries('?per_page=500'))).not.toContain(PASSWORD);
  });

  it('names what was made, and schedules by their names', async () => {
    const { id } = await fathom.client.queue.add({ type: 'database.vacuum' });
    const task = { type: 'http.request' };
    await fathom.client.schedules.set('nightly', { cron: '0 3 * * *', task });
    await fathom.client.schedules.delete('nightly');
    const [removed, set, created] = await entries();
    expect(removed).toMatchObject({ action: 'schedule.remove', target: 'nightly', outcome: 'ok' });
    expect(set).toMatchObject({
      action: 'schedule.set',
      target: 'nightly',
      detail: `{"status":200,"type":"http.request","cron":"0 3 * * *","uid":${process.getuid?.()}}`,
    });
    expect(created).toMatchObject({ action: 'task.create', target: id });
  });

  it('records sign-ins and superusers at the global PocketBase, and the local socket', async () => {
    await new PocketBase(fathom.globalUrl).collection('users').authWithPassword('ann@example.com', PASSWORD);
    const [direct] = await entries();
    expect(direct).toMatchObject({ action: 'sign-in', outcome: 'ok', address: '127.0.0.1' });
    const superuser = await controlPlane(fathom);
    const ann = await superuser.collection('users').getFirstListItem("email = 'ann@example.com'");
    await superuser.collection('users').update(ann.id, { role: 'user' });
    const [byHand] = await entries();
    expect(byHand).toMatchObject({
      actor_kind: 'superuser',
      actor: fathom.admin.email,
      action: 'record.update',
      target: `users/${ann.id}`,
    });
    await superuser.settings.update({ meta: { appName: 'Fathom' } });
    await superuser.collections.update('users', { authToken: { duration: 7200 } });
    await superuser.send('/api/sql', { method: 'POST', body: { query: 'SELECT 1' } });
    await superuser.collection('users').impersonate(ann.id, 60);
    await expect(superuser.collections.delete('user_databases_of_old')).rejects.toMatchObject({
      status: 404,
    });
    const [deleted, ...others] = await entries('?per_page=5');
    expect(others.toReversed().map(({ action, target }) => `${action} ${target}`)).toEqual([
      'superuser.patch /api/settings',
      'superuser.patch /api/collections/users',
      'superuser.post /api/sql',
      `superuser.post /api/collections/users/impersonate/${ann.id}`,
    ]);
    expect(deleted).toMatchObject({
      actor_kind: 'superuser',
      actor: fathom.admin.email,
      action: 'superuser.delete',
      outcome: 'failed',
    });
    await fathom.client.users.update(ann.id, { is_active: true });
    expect((await entries())[0]).toMatchObject({ actor_kind: 'local', action: 'user.update' });
    // What is no attempt at an account fills no log.
    const login = `${fathom.url}/api/v1/auth/login`;
    await call('POST', login, { body: {} });
    await call('POST', login, { token: 'nonsense', body: { email: 'ann@example.com', password: 'x' } });
    expect((await entries('?outcome=refused&action=sign-in')).length).toBe(1);
    expect(await entries('?outcome=failed&action=sign-in')).toEqual([]);
  });

  it('is published on its topic to callers with the permission', async () => {
    const { token } = await signIn(fathom.url, 'ann@example.com');
    const frames = async (as: string, until: (frame: { type: string }) => boolean) => {
      const socket = new WebSocket(`${fathom.url.replace('http', 'ws')}/ws`, 'fathom.v1', {
        headers: { authorization: `Bearer ${as}` },
      });
      const seen: { type: string; code?: string; data?: AuditEntry[]; event?: { entry: AuditEntry } }[] = [];
      socket.once('open', () => socket.send(JSON.stringify({ type: 'subscribe', id: 1, topics: ['audit'] })));
      await new Promise<void>((resolve) => {
        socket.on('message', (data: Buffer) => {
          const frame = JSON.parse(data.toString()) as (typeof seen)[number];
          seen.push(frame);
          if (frame.type === 'ok' && as === admin)
            void fathom.client.users.update('nobody000000000', {}).catch(() => {});
          if (until(frame)) resolve();
        });
      });
      socket.close();
      return seen;
    };
    expect(await frames(token, () => true)).toMatchObject([{ type: 'error', code: 'auth.forbidden' }]);
    const [snapshot, , event] = await frames(admin, ({ type }) => type === 'event');
    expect(snapshot?.data?.at(-1)).toMatchObject({ action: 'sign-in' });
    expect(event?.event?.entry).toMatchObject({ action: 'user.update', outcome: 'failed' });
    expect(event?.event?.entry.seq).toBe((snapshot?.data?.at(-1)?.seq ?? 0) + 1);
  });

  it('is only ever added to', async () => {
    const superuser = await controlPlane(fathom);
    const { items } = await superuser.collection('audit_log').getList(1, 1);
    const [row] = items;
    const log = superuser.collection('audit_log');
    await expect(log.update(row?.id ?? '', { outcome: 'ok' })).rejects.toMatchObject({ status: 403 });
    await expect(log.delete(row?.id ?? '')).rejects.toMatchObject({ status: 403 });
    await expect(log.create({ seq: 9999, at: 'x' })).rejects.toMatchObject({ status: 403 });
    const anonymous = new PocketBase(fathom.globalUrl).collection('audit_log');
    await expect(anonymous.getList()).rejects.toMatchObject({ status: 403 });
  });

  it('holds together, written by many at once', async () => {
    await Promise.all(
      Array.from({ length: 40 }, () => fathom.client.users.update('nobody000000000', {}).catch(() => {})),
    );
    expect(await verified()).toEqual({
      ok: true,
      checked: expect.any(Number) as number,
      problem: null,
      defects: [],
      defect_count: 0,
    });
    expect((await fathomd('audit', 'verify')).exitCode).toBe(0);
    const listed = await fathomd('audit', 'list', '--json', '--limit', '5');
    expect(JSON.parse(listed.stdout)).toHaveLength(5);
    expect((await stat(join(fathom.dataDir, 'audit-head.json'))).mode & 0o777).toBe(0o600);
  });

  it('shows a row that was edited, one that is missing, and an end that was cut off', async () => {
    const database = new DatabaseSync(globalFile(), { readOnly: true });
    const last = Number(database.prepare('SELECT MAX(seq) AS seq FROM audit_log').get()?.['seq']);
    const before = database.prepare('SELECT outcome FROM audit_log WHERE seq = 3').get()?.['outcome'];
    database.close();

    tamper("UPDATE audit_log SET outcome = 'forged' WHERE seq = 3");
    expect(await verified()).toEqual({
      ok: false,
      checked: last,
      problem: textWith(3),
      defects: [{ kind: 'edited', from: 3, to: 3 }],
      defect_count: 1,
    });
    tamper(`UPDATE audit_log SET outcome = '${String(before)}' WHERE seq = 3`);
    expect((await fathomd('audit', 'verify')).exitCode).toBe(0);

    tamper('UPDATE audit_log SET seq = 100000 WHERE seq = 5');
    const missing = await fathomd('audit', 'verify', '--json');
    expect(JSON.parse(missing.stdout)).toMatchObject({
      ok: false,
      checked: last,
      problem: textWith(5),
      defects: [
        { kind: 'missing', from: 5, to: 5 },
        { kind: 'missing', from: last + 1, to: 99_999 },
        { kind: 'edited', from: 100_000, to: 100_000 },
      ],
    });
    expect(missing.exitCode).toBe(1);
    tamper('UPDATE audit_log SET seq = 5 WHERE seq = 100000');

    // Defects of several kinds: none of them hides the others.
    tamper('CREATE TABLE kept AS SELECT * FROM audit_log');
    tamper("UPDATE audit_log SET seq = seq + 1000, detail = 'x' WHERE seq BETWEEN 8 AND 10");
    tamper("UPDATE audit_log SET hash = 'x' WHERE seq = 2");
    const several = await fathomd('audit', 'verify', '--json');
    expect(several.exitCode).toBe(1);
    expect((JSON.parse(several.stdout) as AuditVerification).defects.slice(0, 3)).toEqual([
      { kind: 'edited', from: 2, to: 2 },
      { kind: 'unlinked', from: 3, to: 3 },
      { kind: 'missing', from: 8, to: 10 },
    ]);
    const lines = (await fathomd('audit', 'verify')).stdout.split('\n');
    expect(lines).toContain('8-10\tmissing');
    tamper('DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept');
    expect((await fathomd('audit', 'verify')).exitCode).toBe(0);

    const headFile = join(fathom.dataDir, 'audit-head.json');
    tamper(`DELETE FROM audit_log WHERE seq = ${last}`);
    expect(await verified()).toMatchObject({ ok: false, problem: textWith(last) });
    // Not even what is written afterwards covers it.
    await daemon.stop();
    daemon = await fathom.start();
    await fathom.client.users.update('nobody000000000', {}).catch(() => {});
    expect(await verified()).toMatchObject({ ok: false, problem: textWith(last) });

    // As a power cut may leave it.
    await writeFile(headFile, '');
    tamper(`UPDATE audit_log SET seq = seq - 1 WHERE seq > ${last}`);
    expect((await fathomd('audit', 'verify')).exitCode).toBe(1);
    await daemon.stop();
    daemon = await fathom.start();
    await fathom.client.users.update('nobody000000000', {}).catch(() => {});
    const items = JSON.parse((await fathomd('audit', 'list', '--json')).stdout) as AuditEntry[];
    expect(items.map(({ action }) => action)).toContain('audit.head-missing');
  });
});

it('an account whose requests fail fills the log only slowly, and does not hide those of others', async () => {
  const other = await deployment();
  await other.start();
  const { body } = await call<{ token: string }>('POST', `${other.url}/api/v1/auth/login`, {
    body: { email: other.admin.email, password: other.admin.password },
  });
  const viewer = await signUp(other.url, 'viewer@example.com');
  await call('PATCH', `${other.url}/api/v1/users/${viewer.user.id}`, {
    token: body.token,
    body: { role: 'viewer' },
  });
  const { token } = await signIn(other.url, 'viewer@example.com');
  const attempts = 2 * MAX_PER_ACCOUNT;
  for (let at = 0; at < attempts; at += 1) {
    const { status } = await call('DELETE', `${other.url}/api/v1/users/${viewer.user.id}`, { token });
    expect(status).toBe(403);
  }
  const ann = await signUp(other.url, 'ann@example.com');
  await call('DELETE', `${other.url}/api/v1/users/${viewer.user.id}`, { token: ann.token });
  const refused = (await other.client.audit.all({ action: 'user.delete' })).filter(
    ({ outcome }) => outcome === 'refused',
  );
  const ofViewer = refused.filter(({ actor }) => actor === viewer.user.id);
  const minutes = new Set(ofViewer.map(({ at }) => at.slice(0, 16))).size;
  expect(ofViewer.length).toBeLessThanOrEqual(minutes * MAX_PER_ACCOUNT);
  expect(refused.filter(({ actor }) => actor === ann.user.id)).toHaveLength(1);
});

it('strangers who fail to sign in fill the log only slowly, and what is left out is counted', async () => {
  const other = await deployment({
    SIGN_IN_FAILURES_PER_ADDRESS: '100000',
    CONNECTIONS_PER_ADDRESS: '1000',
  });
  await other.start();
  const attempts = 2 * MAX_PER_MINUTE;
  const guess = async (at: number) => {
    const body = { email: `nobody${at}@example.com`, password: 'wrong' };
    expect((await call('POST', `${other.url}/api/v1/auth/login`, { body })).status).toBe(401);
  };
  for (let at = 0; at < attempts; at += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, n) => guess(at + n)));
  }
  const signIns = await other.client.audit.all({ action: 'sign-in' });
  const refused = signIns.filter(({ outcome }) => outcome === 'refused');
  const minutes = new Set(refused.map(({ at }) => at.slice(0, 16))).size;
  expect(refused.length).toBeLessThanOrEqual(minutes * MAX_PER_MINUTE);
  const omitted = refused.reduce(
    (sum, { detail }) => sum + ((JSON.parse(detail) as { omitted_before?: number }).omitted_before ?? 0),
    0,
  );
  expect(refused.length + omitted).toBeLessThanOrEqual(attempts);
  // A success is always in the log.
  await signIn(other.url, other.admin.email, other.admin.password);
  const { items } = await other.client.audit.list({ action: 'sign-in' });
  expect(items[0]?.outcome).toBe('ok');
});
