import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { messageOf } from '../../shared/errors.ts';
import { SCRIPTED } from '../helpers/deployment.ts';
import { untilRunning } from '../helpers/fleet-actions.ts';
import { makesCollection, putMigration, readUserDatabase } from '../helpers/user-migrations.ts';
import { killDuringRollout, randomSteps } from './kills.ts';
import {
  checkWriters,
  createStage,
  type RolloutStage,
  startWriters,
  untilEnded,
  writeCrashingFleet,
} from './stage.ts';

const COUNT = 4;
const KILLS_PER_ROLLOUT = 3;

let stage: RolloutStage;
let directory: string;

beforeAll(async () => {
  const { path } = await verifyBinary(null);
  directory = await mkdtemp(join(tmpdir(), 'fathom-fleet-'));
  const executable = await writeCrashingFleet(join(directory, 'pocketbase'), path);
  stage = await createStage(COUNT, { FATHOM_SANDBOX: 'off', PB_BINARY_PATH: executable });
});

afterAll(async () => {
  await stage?.fathom.dispose();
  await rm(directory, { recursive: true, force: true });
}, 120_000);

/** What a migration has changed: its collection, its rows and its own record. */
function tracesOf(name: string, file: string, collection: string): Record<string, boolean> {
  return readUserDatabase(stage.fathom, name, (database) => {
    const has = (sql: string, value: string) => database.prepare(sql).get(value) !== undefined;
    return {
      recorded: has('SELECT 1 FROM _migrations WHERE file = ?', file),
      listed: has('SELECT 1 FROM _collections WHERE name = ?', collection),
      stored: has("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", collection),
    };
  });
}

it('SIGKILL of the daemon at any step leaves each database with all of a migration or nothing, and every record', async () => {
  const { fathom, tenants } = stage;
  const nextStep = randomSteps();
  const journals = join(fathom.dataDir, 'rollouts', 'journals');
  const victim = tenants[0]?.name ?? '';
  const writers = await startWriters(fathom, tenants.slice(0, 2));
  let kills = 0;
  for (const [file, collection, text, databases] of [
    ['1800000001_notes.js', 'notes', makesCollection('notes'), undefined],
    ['1800000002_crashing.js', 'crashing', makesCollection('crashing'), [victim]],
  ] as const) {
    await putMigration(fathom, file, text);
    await fathom.client.migrations.apply({
      ...(databases ? { databases: [...databases] } : {}),
      canary: 0,
      max_failures: COUNT,
      watch_s: databases ? 10 : 1,
    });
    // The first step always: the data was not changed, and the next start must not apply the migration without a test.
    kills += await killDuringRollout(stage, 1);
    for (let kill = 0; kill < KILLS_PER_ROLLOUT; kill += 1)
      kills += await killDuringRollout(stage, nextStep());
    const rollout = await untilEnded(fathom);
    expect(rollout, JSON.stringify(rollout.problems)).toMatchObject({
      status: 'done',
      changed: databases ? 0 : COUNT,
      failed: databases ? 1 : 0,
    });
    for (const name of databases ?? tenants.map((tenant) => tenant.name)) {
      await untilRunning(fathom, name);
      const isChanged = databases === undefined;
      expect({ name, ...tracesOf(name, file, collection) }, JSON.stringify(rollout.problems)).toEqual({
        name,
        recorded: isChanged,
        listed: isChanged,
        stored: isChanged,
      });
      expect(existsSync(join(fathom.dataDir, 'user_dbs', name, 'rollout'))).toBe(false);
    }
    expect(await readdir(journals)).toEqual([]);
  }
  console.log(`${kills} kills, ${await checkWriters(fathom, writers)} records acknowledged`);
}, 1_200_000);

it('a database whose change had only begun gets the migration by the rollout alone, not at its start', async () => {
  const { fathom, tenants } = stage;
  const [file, collection] = ['1800000003_later.js', 'later'];
  const { name } = tenants.at(-1) ?? { name: '' };
  await stage.daemon.stop();
  const killed = await fathom.start({ TEST_KILL_AT_CHANGE: '1' }, SCRIPTED);
  await putMigration(fathom, file, makesCollection(collection));
  const begun = fathom.client.migrations.apply({ databases: [name], watch_s: 1 }).catch(messageOf);
  await killed.exited;
  await begun;
  // As by an administrator right before.
  const rollouts = join(fathom.dataDir, 'rollouts');
  const state = join(rollouts, await readFile(join(rollouts, 'current'), 'utf8'), 'state.json');
  const stored = JSON.parse(await readFile(state, 'utf8')) as object;
  await writeFile(state, JSON.stringify({ ...stored, status: 'paused' }));
  stage.daemon = await fathom.start({}, SCRIPTED);
  await untilRunning(fathom, name);
  expect(Object.values(tracesOf(name, file, collection))).toEqual([false, false, false]);
  await fathom.client.rollouts.resume();
  expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1 });
  expect(Object.values(tracesOf(name, file, collection))).toEqual([true, true, true]);
});
