import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { until } from '../../../test/helpers/until.ts';
import { DatabaseThread } from './database-thread.ts';

const USERS =
  'CREATE TABLE users (id, email, password, tokenKey, verified); CREATE TABLE _migrations (file);';
const COLLECTIONS = 'CREATE TABLE _collections (name, type, fields, options);';
/** Rows without an end. */
const ENDLESS = `CREATE VIEW _collections AS
  WITH RECURSIVE rows (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows) SELECT count(*) AS name FROM rows;`;
/** A value of 600 MB, which SQLite makes in memory. */
const HUGE = `CREATE VIEW _collections AS SELECT hex(zeroblob(300000000)) AS name;`;

async function dataFile(sql: string): Promise<string> {
  const file = join(await scratch(), 'data.db');
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
  return file;
}

function thread(timeoutMs: number): DatabaseThread {
  const created = new DatabaseThread(() => timeoutMs);
  onTestFinished(() => created.close());
  return created;
}

const facts = (file: string) => ({ kind: 'facts', file, ownerId: 'owner' }) as const;

it('ends what takes too long, and continues with other databases meanwhile', async () => {
  const [endless, ordinary] = [await dataFile(USERS + ENDLESS), await dataFile(USERS + COLLECTIONS)];
  const both = thread(5_000);
  const first = expect(both.run(facts(endless))).rejects.toThrow('was not read: it took longer than 5 s');
  expect(await both.run(facts(ordinary))).toMatchObject({ rows: {}, owner: null });
  await first;
  expect(await both.run(facts(ordinary))).toMatchObject({ owner: null });
});

it('ends at once when it is closed', async () => {
  const closed = thread(60_000);
  const endless = expect(closed.run(facts(await dataFile(USERS + ENDLESS)))).rejects.toThrow('has ended');
  await closed.close();
  await endless;
}, 20_000);

it('refuses values that would fill the memory', async () => {
  const file = await dataFile(USERS + HUGE);
  await expect(thread(60_000).run(facts(file))).rejects.toThrow('too big');
});

it.each(['_otps', '_mfas', '_collections'])(
  'ends sessions of a database with a trigger without an end on %s',
  async (table) => {
    const file = await dataFile(
      `CREATE TABLE _collections (id, type, fields, indexes, options); CREATE TABLE _otps (id); CREATE TABLE _mfas (id);
       INSERT INTO _collections VALUES ('u', 'auth', '[]', '[]', '{"authToken":{"secret":"old"}}');
       INSERT INTO _otps VALUES (1); INSERT INTO _mfas VALUES (1);
       ${['DELETE', 'UPDATE']
         .map(
           (
             event,
           ) => `CREATE TRIGGER endless_${event} BEFORE ${event} ON "${table}" BEGIN SELECT count(*) FROM (
         WITH RECURSIVE rows (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows) SELECT n FROM rows); END;`,
         )
         .join('')}`,
    );
    await thread(10_000).run({ kind: 'end-sessions', file });
    using database = new DatabaseSync(file, { readOnly: true });
    const left = 'SELECT options, (SELECT count(*) FROM _otps) AS otps FROM _collections';
    expect(database.prepare(left).get()).toEqual({ options: expect.not.stringContaining('old'), otps: 0 });
  },
  30_000,
);

it('leaves nothing that runs when the daemon is killed', async () => {
  const work = JSON.stringify(facts(await dataFile(USERS + ENDLESS)));
  const program = `import('${join(import.meta.dirname, 'database-thread.ts')}')
    .then(({ DatabaseThread }) => new DatabaseThread().run(${work}))`;
  const daemon = execa(process.execPath, ['--disable-warning=ExperimentalWarning', '-e', program], {
    reject: false,
  });
  const { pid } = daemon;
  const child = await until(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() || null, {
    what: () => 'the process of the thread',
  });
  daemon.kill('SIGKILL');
  await daemon;
  await until(() => !existsSync(`/proc/${child}`), { what: () => 'the process of the thread to end' });
});
