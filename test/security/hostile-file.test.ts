import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

const ENDLESS = '(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c)';

let fathom: Deployment;
let admin: string;
let neighbour: Session;

beforeAll(async () => {
  ({ fathom, admin } = await startedDeployment());
  neighbour = await signUp(fathom.url, 'neighbour@example.com');
});

afterAll(() => fathom.dispose());

const fileOf = ({ database: { name } }: Session): string =>
  join(fathom.dataDir, 'user_dbs', name, 'pb_data', 'data.db');

const operate = (name: string, verb: string) =>
  call('POST', `${fathom.url}/api/v1/databases/${name}/${verb}`, { token: admin });

async function expectOthersToWork(): Promise<void> {
  expect((await call('GET', `${fathom.url}/health`)).status).toBe(200);
  expect((await signIn(fathom.url, 'neighbour@example.com')).database.token).toBeTruthy();
  expect((await call('GET', `${neighbour.database.url}/api/health`)).status).toBe(200);
}

async function expectRefusedStart({ database: { name } }: Session): Promise<void> {
  await operate(name, 'restart');
  await until(
    async () => {
      const { body } = await call<{ phase: string; reason: { code: string } | null }>(
        'GET',
        `${fathom.url}/api/v1/databases/${name}`,
        { token: admin },
      );
      return body.phase !== 'running' && body.reason?.code === 'database_corrupt';
    },
    { what: 'the start to be refused' },
  );
}

describe('a database whose process has written into its own file', () => {
  it.each([
    [
      'view',
      `ALTER TABLE users RENAME TO users_real;
       CREATE VIEW users AS SELECT * FROM users_real WHERE ${ENDLESS} >= 0`,
    ],
    ['virtual', 'DROP TABLE users; CREATE VIRTUAL TABLE users USING fts5(id, email, tokenKey)'],
    ['generated', 'ALTER TABLE users ADD COLUMN x GENERATED ALWAYS AS (hex(zeroblob(400000000)))'],
  ])('cannot stop the daemon: %s', async (what, sql) => {
    const email = `${what}@example.com`;
    const session = await signUp(fathom.url, email);
    {
      using database = new DatabaseSync(fileOf(session), { timeout: 5_000 });
      database.exec(sql);
    }
    expect((await signIn(fathom.url, email)).database.token).toBeNull();
    await expectOthersToWork();
    await expectRefusedStart(session);
    await expectOthersToWork();
  });

  it('cannot stop the daemon: trigger', async () => {
    const session = await signUp(fathom.url, 'trigger@example.com');
    {
      using database = new DatabaseSync(fileOf(session), { timeout: 5_000 });
      database.exec(`CREATE TRIGGER endless AFTER UPDATE ON users BEGIN SELECT ${ENDLESS}; END`);
    }
    await call('PATCH', `${fathom.url}/api/v1/users/${session.user.id}`, {
      token: admin,
      body: { is_active: false },
    });
    await expectOthersToWork();
    await operate(session.database.name, 'restart');
    await expectOthersToWork();
    using database = new DatabaseSync(fileOf(session), { readOnly: true });
    expect(database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'endless'").get()).toBeUndefined();
  });

  it('cannot stop the daemon: pipe', async () => {
    const session = await signUp(fathom.url, 'pipe@example.com');
    const { name } = session.database;
    expect((await operate(name, 'stop')).status).toBeLessThan(300);
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${fileOf(session)}${suffix}`, { force: true });
    execFileSync('mkfifo', [fileOf(session)]);
    await operate(name, 'start');
    await expectOthersToWork();
  });
});

it('does not execute SQL that a database stores as an index', async () => {
  const session = await signUp(fathom.url, 'index@example.com');
  const { name } = session.database;
  await operate(name, 'stop');
  const marker = join(fathom.dataDir, 'user_dbs', name, 'attached.db');
  {
    using database = new DatabaseSync(fileOf(session));
    const index = `CREATE UNIQUE INDEX x ON users (email); ATTACH '${marker}' AS other; CREATE TABLE other.t (x)`;
    database.prepare("UPDATE _collections SET indexes = ? WHERE name = 'users'").run(JSON.stringify([index]));
  }
  await operate(name, 'start');
  expect(() => new DatabaseSync(marker, { readOnly: true })).toThrow();
  await expectOthersToWork();
});
