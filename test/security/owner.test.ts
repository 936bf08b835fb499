import { cp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseList } from '../../shared/hooks/control-plane-routes.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { kill, untilReplaced } from '../helpers/fleet-actions.ts';
import { controlPlane, databaseRows } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, refreshStatus, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { type LogLine, logLines, WARN } from '../helpers/log-lines.ts';
import { until } from '../helpers/until.ts';

const OTHER_PASSWORD = 'another-password';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;

beforeAll(async () => {
  ({ fathom, daemon, admin } = await startedDeployment({ PB_HEALTH_INTERVAL: '1' }));
});

afterAll(() => fathom.dispose());

/** Signs in directly at the own database. */
async function opens({ database }: Session, email: string, password: string): Promise<boolean> {
  const client = new PocketBase(database.url);
  try {
    await client.collection('users').authWithPassword(email, password);
    return true;
  } catch {
    return false;
  }
}

async function tokenCounts({ database }: Session): Promise<boolean> {
  return (await refreshStatus(database.url, database.token)) === 200;
}

/** Waits until the instance refuses the token. It may not listen before, as it starts or executes itself again. */
async function untilRefused({ database: { url, token } }: Session): Promise<void> {
  await until(async () => (await refreshStatus(url, token).catch(() => null)) === 401, {
    what: 'the token to be refused',
  });
}

async function change(session: Session, changes: object): Promise<void> {
  await (await controlPlane(fathom)).collection('users').update(session.user.id, changes);
}

const newPassword = { password: OTHER_PASSWORD, passwordConfirm: OTHER_PASSWORD };
const operate = (session: Session, verb: string) =>
  call('POST', `${fathom.url}/api/v1/databases/${session.database.name}/${verb}`, { token: admin });

describe("an owner's own database follows the account", () => {
  it('with a new password, and tokens of before are worthless', async () => {
    const session = await signUp(fathom.url, 'pw@example.com');
    expect(await opens(session, 'pw@example.com', PASSWORD)).toBe(true);
    await change(session, newPassword);
    await until(() => opens(session, 'pw@example.com', OTHER_PASSWORD), { what: 'the new password' });
    expect(await opens(session, 'pw@example.com', PASSWORD)).toBe(false);
    expect(await tokenCounts(session)).toBe(false);
    const again = await signIn(fathom.url, 'pw@example.com', OTHER_PASSWORD);
    expect(await tokenCounts(again)).toBe(true);
  });

  it('with a new address', async () => {
    const session = await signUp(fathom.url, 'old@example.com');
    await change(session, { email: 'new@example.com' });
    await until(() => opens(session, 'new@example.com', PASSWORD), { what: 'the new address' });
    expect(await opens(session, 'old@example.com', PASSWORD)).toBe(false);
  });

  it('with deactivation, and back', async () => {
    const session = await signUp(fathom.url, 'off@example.com');
    await call('PATCH', `${fathom.url}/api/v1/users/${session.user.id}`, {
      token: admin,
      body: { is_active: false },
    });
    await until(async () => !(await tokenCounts(session)), { what: 'the token to be refused' });
    expect(await opens(session, 'off@example.com', PASSWORD)).toBe(false);
    await change(session, { is_active: true });
    await until(() => opens(session, 'off@example.com', PASSWORD), { what: 'the way back in' });
  });

  it('while it is stopped', async () => {
    const session = await signUp(fathom.url, 'asleep@example.com');
    await operate(session, 'stop');
    await change(session, newPassword);
    await operate(session, 'start');
    await until(() => opens(session, 'asleep@example.com', OTHER_PASSWORD), { what: 'the new password' });
    expect(await opens(session, 'asleep@example.com', PASSWORD)).toBe(false);
  });

  it('when its write lock is held, as soon as that is released, without delaying others', async () => {
    const session = await signUp(fathom.url, 'busy@example.com');
    const file = join(fathom.dataDir, 'user_dbs', session.database.name, 'pb_data', 'data.db');
    const holder = new DatabaseSync(file, { timeout: 10_000 });
    holder.exec('BEGIN IMMEDIATE');
    try {
      await change(session, newPassword);
      expect((await call('GET', `${fathom.url}/health`)).status).toBe(200);
      expect(await opens(session, 'busy@example.com', OTHER_PASSWORD)).toBe(false);
    } finally {
      holder.exec('ROLLBACK');
      holder.close();
    }
    await until(() => opens(session, 'busy@example.com', OTHER_PASSWORD), { what: 'the new password' });
  });

  it('when the change was missed because no daemon ran', async () => {
    const session = await signUp(fathom.url, 'missed@example.com');
    const signedOut = await signUp(fathom.url, 'signed-out@example.com');
    await daemon.stop();
    const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
    const global = new DatabaseSync(file);
    global.prepare("UPDATE users SET email = 'caught@example.com' WHERE id = ?").run(session.user.id);
    global.prepare('UPDATE users SET tokenKey = ? WHERE id = ?').run('k'.repeat(50), signedOut.user.id);
    global.close();
    daemon = await fathom.start();
    await untilRefused(signedOut);
    const { database } = await signIn(fathom.url, 'caught@example.com');
    await until(() => opens({ ...session, database }, 'caught@example.com', PASSWORD), {
      what: 'the address',
    });
  });
});

const dataOf = ({ database }: Session) => join(fathom.dataDir, 'user_dbs', database.name, 'pb_data');

/** Taken while the owner may sign in, and its token is good. */
async function backUp(session: Session): Promise<string> {
  await operate(session, 'stop');
  const backup = join(fathom.dataDir, `${session.database.name}.backup`);
  await cp(dataOf(session), backup, { recursive: true });
  await operate(session, 'start');
  expect(await tokenCounts(session)).toBe(true);
  return backup;
}

async function putBack(session: Session, backup: string): Promise<void> {
  await rm(dataOf(session), { recursive: true });
  await cp(backup, dataOf(session), { recursive: true });
}

async function lockOut({ user }: Session): Promise<void> {
  await call('PATCH', `${fathom.url}/api/v1/users/${user.id}`, {
    token: admin,
    body: { is_active: false },
  });
}

describe('a pb_data that is put back from a backup', () => {
  it('lets no locked-out owner in when it is started', async () => {
    const session = await signUp(fathom.url, 'locked@example.com');
    const backup = await backUp(session);
    await lockOut(session);
    await operate(session, 'stop');
    await putBack(session, backup);

    expect((await operate(session, 'start')).status).toBe(200);
    expect(await opens(session, 'locked@example.com', PASSWORD)).toBe(false);
    expect(await tokenCounts(session)).toBe(false);
  });

  it('revives no token that has ended, though the password is the same', async () => {
    const session = await signUp(fathom.url, 'everywhere@example.com');
    const backup = await backUp(session);
    await fathom.client.sessions.endAll({ user_id: session.user.id });
    await until(async () => !(await tokenCounts(session)), { what: 'the token to end' });
    await operate(session, 'stop');
    await putBack(session, backup);

    await operate(session, 'start');
    expect(await tokenCounts(session)).toBe(false);
    expect(await opens(session, 'everywhere@example.com', PASSWORD)).toBe(true);
  });

  it('refuses every sign-in when a crash restarts it without the global PocketBase', async () => {
    const session = await signUp(fathom.url, 'crashed@example.com');
    const backup = await backUp(session);
    await lockOut(session);
    await until(async () => !(await tokenCounts(session)), { what: 'the lock-out' });
    const [own, global] = await Promise.all([
      fathom.client.databases.get(session.database.name),
      fathom.client.databases.get('global'),
    ]);
    kill(global.pid, 'SIGSTOP');
    const data = dataOf(session);
    await rename(data, `${data}.former`);
    await cp(backup, data, { recursive: true });
    kill(own.pid, 'SIGKILL');

    await untilReplaced(fathom, own);
    expect(await opens(session, 'crashed@example.com', PASSWORD)).toBe(false);
    expect(await tokenCounts(session)).toBe(false);
    kill(global.pid, 'SIGCONT');
  });

  it('is seen when PocketBase restores it itself and goes on as the same process', async () => {
    const session = await signUp(fathom.url, 'itself@example.com');
    const row = (await databaseRows(fathom)).find(({ name }) => name === session.database.name);
    if (!row) throw new Error('there is a row');
    const superuser = await asSuperuser(fathom, row);
    await superuser.backups.create('before.zip');
    await lockOut(session);
    await until(async () => !(await tokenCounts(session)), { what: 'the lock-out' });
    const { pid } = await fathom.client.databases.get(row.name);
    const { ino } = await stat(join(dataOf(session), 'data.db'));
    await superuser.backups.restore('before.zip');

    await until(async () => (await stat(join(dataOf(session), 'data.db'))).ino !== ino, {
      what: 'the restore',
    });
    const isNoticed = (line: LogLine) => line.level === WARN && line['instance'] === row.name;
    await until(() => logLines(daemon.output()).some(isNoticed), { what: 'it to be noticed' });
    await untilRefused(session);
    expect(await opens(session, 'itself@example.com', PASSWORD)).toBe(false);
    expect((await fathom.client.databases.get(row.name)).pid).toBe(pid);
  });
});

it('accounts that cannot be read are not taken for gone, and databases are known without them', async () => {
  const { database } = await signUp(fathom.url, 'unread@example.com');
  const superuser = await controlPlane(fathom);
  const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  using tables = new DatabaseSync(file, { timeout: 20_000 });
  tables.exec('ALTER TABLE users RENAME TO users_elsewhere');
  const [owners, databases] = await Promise.allSettled([
    superuser.send<object[]>('/api/fathom/owners', {}),
    superuser.send<DatabaseList>('/api/fathom/databases', {}),
  ]);
  tables.exec('ALTER TABLE users_elsewhere RENAME TO users');
  expect(owners).toMatchObject({ status: 'rejected', reason: { status: 400 } });
  const row = expect.objectContaining({ name: database.name });
  expect(databases.status === 'fulfilled' && databases.value).toMatchObject({
    rows: expect.arrayContaining([row]),
    owners: {},
  });
  const { rows, owners: read } = await superuser.send<DatabaseList>('/api/fathom/databases', {});
  const known = rows.find(({ name }) => name === database.name);
  expect(read[known?.user ?? '']).toMatchObject({ email: 'unread@example.com' });
});
