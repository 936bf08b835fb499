import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { INSTANCE_VARIABLE } from '../../daemon/pocketbase/process/command.ts';
import { findByEnvironment } from '../../daemon/pocketbase/process/procfs.ts';
import { SCRIPTED } from '../helpers/deployment.ts';
import { until } from '../helpers/until.ts';
import {
  createStage,
  installCrashing,
  type RolloutStage,
  rollOut,
  untilEnded,
  untilVersion,
} from './stage.ts';

/** The embedded PocketBase under other names: what is tested here does not depend on the release. */
const [NEXT, NEXT_BUT_ONE] = ['0.39.101', '0.39.102'] as const;
const REFUSED = { code: 'conflict', status: 409 };

let stage: RolloutStage;
let first: string;
let second: string;

beforeAll(async () => {
  // Some executables are scripts.
  stage = await createStage(2, { FATHOM_SANDBOX: 'off' });
  [first, second] = stage.tenants.map(({ name }) => name) as [string, string];
  const { path: real } = await verifyBinary(null);
  for (const version of [NEXT, NEXT_BUT_ONE])
    await installCrashing(stage.fathom, { version, real, database: 'none', afterS: 0 });
});

afterAll(() => stage?.fathom.dispose(), 120_000);

const rollouts = () => stage.fathom.client.rollouts;
const recordsDir = () => join(stage.fathom.dataDir, 'rollouts');
const cloneOf = (name: string) => join(stage.fathom.dataDir, 'user_dbs', name, 'rollout', 'rehearsal');

const rehearsed = (version: string, databases: string[]) =>
  rollouts()
    .plan({ version, databases, canary: 2, rehearse: true })
    .then((plan) => plan.rehearsed);

it('begins none when its plan cannot be stored', async () => {
  await writeFile(recordsDir(), 'not a directory');
  await expect(rollouts().start({ version: NEXT, databases: [first] })).rejects.toThrow();
  await expect(rollouts().status()).rejects.toMatchObject({ code: 'not_found' });
  await rm(recordsDir());
  await untilVersion(stage.fathom, first, '0.39.1');
});

it('rehearses one database for two requests, one after the other', async () => {
  const works = [{ name: first, problem: null }];
  const both = await Promise.all([rehearsed(NEXT, [first]), rehearsed(NEXT_BUT_ONE, [first])]);
  expect(both).toEqual([works, works]);
  expect(existsSync(cloneOf(first))).toBe(false);
});

it.each([
  ['that is not installed', '0.39.103', 409],
  ['below the oldest one', '0.36.6', 409],
  ['that is none', '../0.39.101', 400],
])('refuses a version %s, as a pin does', async (_what, version, status) => {
  await expect(rollouts().plan({ version })).rejects.toMatchObject({ status });
  await expect(rollouts().start({ version })).rejects.toMatchObject({ status });
  await expect(stage.fathom.client.databases.pin(first, { version })).rejects.toMatchObject({ status });
});

it('changes a database once that is named twice', async () => {
  const request = { version: NEXT, databases: [first, first], canary: 2, watch_s: 0 };
  expect((await rollouts().plan(request)).databases).toHaveLength(1);
  expect(await rollOut(stage.fathom, request)).toMatchObject({ status: 'done', total: 1, changed: 1 });
});

it('begins no other while databases of an aborted one are watched', async () => {
  const { id } = await rollouts().start({ version: NEXT, databases: [second], watch_s: 5 });
  await until(async () => (await rollouts().status()).active.some(({ watched }) => watched), {
    what: () => 'the database to be watched',
  });
  expect(await rehearsed(NEXT_BUT_ONE, [second])).toEqual([
    { name: second, problem: 'it is changed now; try again later' },
  ]);
  await commandsAtOnce(id);
  await rollouts().abort();
  await expect(rollouts().abort()).rejects.toMatchObject(REFUSED);
  const next = { version: NEXT_BUT_ONE, databases: [second], watch_s: 0 };
  await expect(rollouts().start(next)).rejects.toMatchObject(REFUSED);
  expect(await untilEnded(stage.fathom)).toMatchObject({ status: 'aborted', total: 1, changed: 1 });
  expect(await rollOut(stage.fathom, next)).toMatchObject({ status: 'done', total: 1, changed: 1 });
});

/** Each is taken or refused, and the record has the state of the last one that was taken. */
async function commandsAtOnce(id: string): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const commands = Array.from({ length: 6 }, () => [rollouts().pause(), rollouts().resume()]).flat();
    for (const result of await Promise.allSettled(commands))
      if (result.status === 'rejected') expect(result.reason).toMatchObject(REFUSED);
    const { status } = await rollouts().status();
    const record: unknown = JSON.parse(await readFile(join(recordsDir(), id, 'state.json'), 'utf8'));
    expect(record).toMatchObject({ status });
  }
}

it('removes the clone and the process of a rehearsal that was killed', async () => {
  const { fathom } = stage;
  const request = rehearsed(NEXT_BUT_ONE, [first]).catch((error: unknown) => error);
  const clone = async () => {
    const processes = await findByEnvironment(INSTANCE_VARIABLE, first);
    return processes.find(({ argv }) => argv.some((one) => one.includes(cloneOf(first)))) ?? null;
  };
  const { pid } = await until(clone, { what: () => 'the process of the clone' });
  stage.daemon.signal('SIGKILL');
  await stage.daemon.exited;
  expect(await request).toBeInstanceOf(Error);
  stage.daemon = await fathom.start({}, SCRIPTED);
  await untilVersion(fathom, first, NEXT);
  expect(await clone()).toBeNull();
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect(existsSync(cloneOf(first))).toBe(false);
});

it('starts all databases beside damaged records, and names the files', async () => {
  const { fathom } = stage;
  await stage.daemon.stop();
  const last =
    (await readdir(recordsDir()))
      .filter((name) => /^\d/.test(name))
      .toSorted()
      .at(-1) ?? '';
  const journal = join(recordsDir(), 'journals', `${first}.json`);
  await writeFile(join(recordsDir(), last, 'plan.json'), '{');
  await writeFile(journal, '');
  await writeFile(join(recordsDir(), 'journals', 'notes.txt'), 'of an administrator');
  stage.daemon = await fathom.start({}, SCRIPTED);
  for (const name of [first, second]) await untilVersion(fathom, name, name === first ? NEXT : NEXT_BUT_ONE);
  for (const file of [join(recordsDir(), last), journal]) expect(stage.daemon.output()).toContain(file);
  await expect(rollouts().status()).rejects.toMatchObject({ code: 'not_found' });
  // A rollout replaces them.
  const request = { version: NEXT_BUT_ONE, databases: [first], watch_s: 0 };
  expect(await rollOut(fathom, request)).toMatchObject({ status: 'done', changed: 1 });
  expect(existsSync(journal)).toBe(false);
});
