import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { kill, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';
import {
  changeUserDatabase,
  makesCollection,
  putMigration,
  readUserDatabase,
} from '../helpers/user-migrations.ts';
import {
  checkWriters,
  createStage,
  type RolloutStage,
  startWriters,
  untilEnded,
  writeCrashingFleet,
} from './stage.ts';

const COUNT = 4;
const FAST = { watch_s: 1, max_failures: COUNT };

/** Fails in databases with this title. */
const FAILS_FOR = (title: string) => `migrate((app) => {
  if (app.countRecords('documents', $dbx.hashExp({ title: '${title}' })) > 0) throw new Error('bad data');
  app.save(new Collection({ type: 'base', name: 'picky', fields: [] }));
});`;
/** PocketBase accepts it, and cannot list the collection. */
const BREAKS_FOR = (title: string) => `migrate((app) => {
  app.save(new Collection({ type: 'base', name: 'broken', fields: [] }));
  if (app.countRecords('documents', $dbx.hashExp({ title: '${title}' })) > 0)
    app.db().newQuery('DROP TABLE broken').execute();
});`;
const CRASHES_FOR = (title: string) => `migrate((app) => {
  const documents = app.findCollectionByNameOrId('documents');
  documents.fields.add(new TextField({ name: 'extra' }));
  app.save(documents);
  if (app.countRecords('documents', $dbx.hashExp({ title: '${title}' })) > 0)
    app.save(new Collection({ type: 'base', name: 'crashing', fields: [] }));
});`;

let stage: RolloutStage;
let names: string[];
let directory: string;

beforeAll(async () => {
  const { path } = await verifyBinary(null);
  directory = await mkdtemp(join(tmpdir(), 'fathom-fleet-'));
  const executable = await writeCrashingFleet(join(directory, 'pocketbase'), path);
  stage = await createStage(COUNT, {
    FATHOM_SANDBOX: 'off',
    PB_BINARY_PATH: executable,
    PB_HEALTH_INTERVAL: '1',
    BACKUP_SCHEDULE: '0 2 1 1 *',
  });
  names = stage.tenants.map(({ name }) => name);
});

afterAll(async () => {
  await stage?.fathom.dispose();
  await rm(directory, { recursive: true, force: true });
}, 120_000);

function tablesOf(name: string): string[] {
  return readUserDatabase(stage.fathom, name, (database) =>
    database
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
      .map((row) => String(row['name'])),
  );
}

async function titleOf(name: string, title: string): Promise<void> {
  const { fathom } = stage;
  await fathom.client.databases.stop(name);
  changeUserDatabase(fathom, name, `UPDATE documents SET title = '${title}'`);
  await fathom.client.databases.start(name);
}

const runs = (name: string) => untilRunning(stage.fathom, name);

it('applies migrations without a restart by anyone, and keeps a sleeping database asleep', async () => {
  const { fathom } = stage;
  const [asleep] = names.slice(-1) as [string];
  await fathom.client.databases.sleep(asleep);
  await putMigration(fathom, '1800000001_notes.js', makesCollection('notes'));
  const plan = await fathom.client.migrations.plan({ canary: 1, rehearse: true });
  expect(plan).toMatchObject({ waves: [1, COUNT - 1], rehearsed: [{ name: names[0], problem: null }] });
  expect(plan.databases[0]).toEqual({ name: names[0], pending: ['1800000001_notes.js'] });
  expect(tablesOf(names[0] ?? '')).not.toContain('notes');
  await fathom.client.migrations.apply(FAST);
  expect(await untilEnded(fathom)).toMatchObject({
    kind: 'migrations',
    status: 'done',
    changed: COUNT,
    failed: 0,
  });
  for (const name of names) expect(tablesOf(name)).toContain('notes');
  expect(await fathom.client.databases.get(asleep)).toMatchObject({ phase: 'asleep' });
});

it('a start applies no migration that a rollout has not reached, also after an abort', async () => {
  const { fathom } = stage;
  const { databases, migrations, rollouts } = fathom.client;
  const [first, second] = names as [string, string];
  await putMigration(fathom, '1800000001_held.js', makesCollection('held'));
  // The second waits until the first was watched.
  await migrations.apply({ databases: [first, second], canary: 1, watch_s: 600 });
  await databases.restart(second);
  await untilInstance(
    fathom,
    second,
    ({ phase, reason }) => phase === 'running' && reason !== null,
    'to run without it',
  );
  expect((await databases.get(second)).reason?.message).toContain(
    'it runs without 1800000001_held.js, which only a rollout applies',
  );
  await rollouts.abort();
  await stage.daemon.stop();
  stage.daemon = await fathom.start();
  await runs(second);
  expect(tablesOf(second)).not.toContain('held');
  await databases.stop(first);
  await until(async () => (await rollouts.status()).active.length === 0, { what: 'the end of the watch' });
  await databases.start(first);
  await migrations.apply({ ...FAST, databases: [second] });
  expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1 });
  expect(tablesOf(second)).toContain('held');
});

it('backs up each database before its change, and stops at a backup that fails', async () => {
  const { fathom } = stage;
  const [first, second] = names as [string, string];
  const { backups, migrations, rollouts } = fathom.client;
  const newest = async (name: string) => (await backups.ofDatabase(name)).items[0]?.id;
  const both = { ...FAST, databases: [first, second] };
  await backups.create(second);
  const before = [await newest(first), await newest(second)];
  await titleOf(first, 'changed before the rollout');
  await putMigration(fathom, '1800000001_backed.js', makesCollection('backed'));
  expect((await migrations.plan(both)).backup_skipped).toBeNull();
  await migrations.apply(both);
  expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 2 });
  expect(await newest(first)).not.toBe(before[0]);

  const mark = join(fathom.dataDir, 'backups', 'fathom.json');
  const content = await readFile(mark, 'utf8');
  const other = { ...(JSON.parse(content) as object), host: '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a11' };
  await writeFile(mark, JSON.stringify(other));
  for (const name of [first, second]) await titleOf(name, 'changed after it');
  await putMigration(fathom, '1800000001_refused.js', makesCollection('refused'));
  await migrations.apply(both);
  const halted = await untilEnded(fathom);
  expect(halted).toMatchObject({
    status: 'halted',
    changed: 0,
    problems: [{ name: first, message: textWith('its backup before the change failed', '--without-backup') }],
  });
  expect(tablesOf(first)).not.toContain('refused');
  await rollouts.abort();
  await migrations.apply({ ...both, without_backup: true });
  expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 2 });
  await writeFile(mark, content);
});

it('waits for a database that does not answer for a moment', async () => {
  const { fathom } = stage;
  const [hung] = names.slice(1) as [string];
  const { pid } = await runs(hung);
  kill(pid, 'SIGSTOP');
  try {
    await untilInstance(fathom, hung, ({ phase }) => phase === 'unresponsive', 'to be unresponsive');
    await putMigration(fathom, '1800000001_waits.js', makesCollection('waits'));
    await fathom.client.migrations.apply({ ...FAST, databases: [hung], canary: 0 });
    expect(await fathom.client.rollouts.status()).toMatchObject({ total: 1, active: [{ name: hung }] });
  } finally {
    kill(pid, 'SIGCONT');
  }
  expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1, problems: [] });
  expect(tablesOf(hung)).toContain('waits');
});

describe('a migration that fails in one database', () => {
  it.each([
    ['at its data', '1800000002_picky.js', FAILS_FOR, 'picky', /bad data/],
    ['at the test after it', '1800000003_broken.js', BREAKS_FOR, 'broken', /broken cannot be listed/],
  ])('%s: it runs on as before, and all others have it', async (_where, file, text, table, message) => {
    const { fathom } = stage;
    const victim = names[1] ?? '';
    await titleOf(victim, table);
    await putMigration(fathom, file, text(table));
    await fathom.client.migrations.apply(FAST);
    const rollout = await untilEnded(fathom);
    expect(rollout).toMatchObject({ status: 'done', changed: COUNT - 1, failed: 1 });
    expect(rollout.problems).toEqual([expect.objectContaining({ name: victim, result: 'failed' })]);
    expect(rollout.problems[0]?.message).toMatch(message);
    for (const name of names) expect(tablesOf(name).includes(table)).toBe(name !== victim);
    // Neither now nor at its next start.
    expect(await runs(victim)).toMatchObject({ reason: { code: 'migration_failed' } });
    await fathom.client.databases.restart(victim);
    expect(tablesOf(victim)).not.toContain(table);
    // It is corrected, and reaches the database.
    await putMigration(fathom, file, makesCollection(table));
    await fathom.client.migrations.apply(FAST);
    expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1, failed: 0 });
    expect(tablesOf(victim)).toContain(table);
    expect((await runs(victim)).reason).toBeNull();
  });

  it('after clients have written: it goes back with their writes', async () => {
    const { fathom, tenants } = stage;
    const victim = names[2] ?? '';
    await titleOf(victim, 'crash');
    await putMigration(fathom, '1800000004_crashing.js', CRASHES_FOR('crash'));
    const writers = await startWriters(fathom, tenants.slice(2, 3));
    await fathom.client.migrations.apply({ ...FAST, databases: [victim], canary: 0, watch_s: 20 });
    const rollout = await untilEnded(fathom);
    expect(rollout).toMatchObject({ status: 'done', changed: 0, failed: 1 });
    await runs(victim);
    expect(await checkWriters(fathom, writers)).toBeGreaterThan(0);
    expect(tablesOf(victim)).not.toContain('crashing');
    const columns = readUserDatabase(fathom, victim, (database) =>
      database.prepare("SELECT name FROM pragma_table_info('documents')").all(),
    );
    expect(columns).not.toContainEqual({ name: 'extra' });
  });

  it('after clients have written, with a damaged copy: it stays changed, with their writes', async () => {
    const { fathom, tenants } = stage;
    const victim = names[0] ?? '';
    await putMigration(fathom, '1800000005_crashing.js', makesCollection('crashing'));
    const writers = await startWriters(fathom, tenants.slice(0, 1));
    const copy = join(fathom.dataDir, 'user_dbs', victim, 'rollout', 'pb_data');
    await fathom.client.migrations.apply({ ...FAST, databases: [victim], canary: 0, watch_s: 20 });
    await until(async () => (await fathom.client.rollouts.status()).active.some(({ watched }) => watched), {
      what: 'the database to be watched',
    });
    await writeFile(join(copy, 'data.db'), 'damaged');
    const { problems } = await untilEnded(fathom);
    expect(problems).toMatchObject([{ name: victim, message: textWith('stays changed', 'damaged', copy) }]);
    expect(await readFile(join(copy, 'data.db'), 'utf8')).toBe('damaged');
    expect(await checkWriters(fathom, writers)).toBeGreaterThan(0);
    expect(tablesOf(victim)).toContain('crashing');
  });
});
