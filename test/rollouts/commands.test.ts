import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_PASSWORD } from '../../daemon/databases/owner/ownership.ts';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { Rollout } from '../../shared/api/rollouts.ts';
import { instance, untilInstance, writeAndRead } from '../helpers/fleet-actions.ts';
import { installScript } from '../helpers/installed-versions.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';
import { readUserDatabase } from '../helpers/user-migrations.ts';
import { createStage, type RolloutStage, untilEnded } from './stage.ts';

/** The second and the third one wait at their start while a file exists, and the third one then fails. */
const [AT_ONCE, WAITS, FAILS] = ['0.40.7', '0.40.8', '0.40.9'] as const;

let stage: RolloutStage;
let held: string;
/** One database for each test. */
const fresh = () => {
  const tenant = stage.tenants.pop();
  if (!tenant) throw new Error('too few databases');
  return tenant;
};

beforeAll(async () => {
  stage = await createStage(10, { FATHOM_SANDBOX: 'off' });
  const { fathom } = stage;
  const { path: real } = await verifyBinary(null);
  held = join(fathom.filesDir, 'held');
  await installScript(fathom, { version: AT_ONCE, real, lines: '' });
  // Not while its template is built.
  const atServe = (end: string) =>
    `[ "$1" != serve ] || { while [ -e ${held} ]; do sleep 0.1; done; ${end}; }`;
  await installScript(fathom, { version: WAITS, real, lines: atServe(':') });
  await installScript(fathom, { version: FAILS, real, lines: atServe('exit 3') });
});

afterAll(() => stage?.fathom.dispose(), 120_000);

/** Begins the upgrade of one database, and stays in its test until `release`. */
async function beginHeld(name: string, version: string = WAITS): Promise<Rollout> {
  const { fathom } = stage;
  await writeFile(held, '');
  const rollout = await fathom.client.rollouts.start({ version, databases: [name], canary: 0, watch_s: 0 });
  await untilStep(name, 'trying');
  return rollout;
}

function untilStep(name: string, step: string): Promise<unknown> {
  const journal = join(stage.fathom.dataDir, 'rollouts', 'journals', `${name}.json`);
  return until(
    async () => {
      return existsSync(journal) && (await readFile(journal, 'utf8')).includes(`"step":"${step}"`);
    },
    { what: `the step ${step} of ${name}` },
  );
}

/** Begins the upgrade of one database, and returns while it is watched. */
async function beginWatched(name: string): Promise<Rollout> {
  const { fathom } = stage;
  await fathom.client.rollouts.start({ version: AT_ONCE, databases: [name], watch_s: 600 });
  return until(
    async () => {
      const rollout = await fathom.client.rollouts.status();
      return rollout.active.some(({ watched }) => watched) ? rollout : null;
    },
    { what: `${name} to be watched` },
  );
}

async function releaseAndEnd(): Promise<Rollout> {
  await rm(held, { force: true });
  return untilEnded(stage.fathom);
}

const conflict = (...texts: string[]) => ({ code: 'conflict', message: textWith(...texts) });

function ownerPassword(name: string, userId: string): unknown {
  return readUserDatabase(
    stage.fathom,
    name,
    (database) => database.prepare('SELECT password FROM users WHERE id = ?').get(userId)?.['password'],
  );
}

describe('a database that is changed by a rollout', () => {
  it('is not pinned and does not sleep, and gets the new version', async () => {
    const { fathom } = stage;
    const { name } = fresh();
    const { id } = await beginHeld(name);
    for (const version of [null, AT_ONCE, '0.39.1'])
      await expect(fathom.client.databases.pin(name, { version })).rejects.toMatchObject(conflict(name, id));
    await expect(fathom.client.databases.sleep(name, {})).rejects.toMatchObject(conflict(name));
    expect(await releaseAndEnd()).toMatchObject({ changed: 1, failed: 0 });
    expect(await instance(fathom, name)).toMatchObject({ phase: 'running', pinned_version: WAITS });
  });

  it('does not depend on the journals of others', async () => {
    const { fathom } = stage;
    const other = join(fathom.dataDir, 'rollouts', 'journals', 'other.json');
    await beginHeld(fresh().name);
    await writeFile(other, 'it is being removed');
    expect(await releaseAndEnd()).toMatchObject({ changed: 1, problems: [] });
    await rm(other);
  });

  it('gets an account that is locked meanwhile', async () => {
    const { fathom } = stage;
    const { name, userId } = fresh();
    await beginHeld(name);
    await fathom.client.users.update(userId, { is_active: false });
    expect(await releaseAndEnd()).toMatchObject({ changed: 1, problems: [] });
    await until(() => ownerPassword(name, userId) === NO_PASSWORD, { what: 'the account to be locked' });
  });

  it('is stopped or restarted afterwards', async () => {
    const { fathom } = stage;
    const [stopped, restarted] = [fresh().name, fresh().name];
    await beginHeld(stopped);
    const stop = fathom.client.databases.stop(stopped);
    await untilInstance(fathom, stopped, ({ desired }) => desired === 'stopped', 'to be stopped later');
    expect(await releaseAndEnd()).toMatchObject({ changed: 1, failed: 0 });
    expect(await stop).toMatchObject({ phase: 'stopped' });
    expect(await instance(fathom, stopped)).toMatchObject({ phase: 'stopped', pinned_version: WAITS });

    await fathom.client.databases.stop(restarted);
    await beginHeld(restarted);
    const start = fathom.client.databases.restart(restarted);
    await untilInstance(fathom, restarted, ({ desired }) => desired === 'running', 'to be started later');
    expect(await releaseAndEnd()).toMatchObject({ changed: 1, failed: 0 });
    expect(await start).toMatchObject({ phase: 'running', pinned_version: WAITS });
  });

  it('is deleted at once, whether it runs or is stopped', async () => {
    const { fathom } = stage;
    for (const isStopped of [false, true]) {
      const { name } = fresh();
      if (isStopped) await fathom.client.databases.stop(name);
      await beginHeld(name);
      await fathom.client.databases.delete(name);
      const rollout = await untilEnded(fathom);
      expect(rollout.problems).toMatchObject([{ name, result: 'skipped', message: 'it was deleted' }]);
      expect(existsSync(join(fathom.dataDir, 'user_dbs', name))).toBe(false);
      expect(await readdir(join(fathom.dataDir, 'rollouts', 'journals'))).toEqual([]);
      await releaseAndEnd();
    }
    const left = await readdir(join(fathom.dataDir, 'user_dbs'));
    expect(left.filter((entry) => entry.startsWith('.'))).toEqual([]);
  });
});

it('keeps the data of a change that failed when the copy is damaged, and says where both are', async () => {
  const { fathom } = stage;
  const tenant = fresh();
  const { name } = tenant;
  const before = (await instance(fathom, name)).pocketbase_version;
  const { id } = await beginHeld(name, FAILS);
  const directory = join(fathom.dataDir, 'user_dbs', name, 'rollout');
  const copy = join(directory, 'pb_data', 'data.db');
  const content = await readFile(copy);
  await writeFile(copy, content.fill(0, 0, 100));
  const { failed, problems } = await releaseAndEnd();
  const kept = join(directory, `damaged-${id}`);
  expect({ failed, problems }).toMatchObject({
    failed: 1,
    problems: [{ name, result: 'failed', message: textWith('damaged', 'data.db has changed', kept) }],
  });
  expect(await readFile(join(kept, 'data.db'))).toEqual(content);
  expect(await readdir(join(fathom.dataDir, 'rollouts', 'journals'))).toEqual([]);
  await untilInstance(
    fathom,
    name,
    ({ phase, pocketbase_version }) => phase === 'running' && pocketbase_version === before,
    'to run as before',
  );
  await writeAndRead(fathom, tenant, 'with the data as it was');
  expect(
    readUserDatabase(
      fathom,
      name,
      (database) =>
        database.prepare("SELECT count(*) AS n FROM documents WHERE title = 'before'").get()?.['n'],
    ),
  ).toBe(1);
  // The next change works, and removes it.
  await fathom.client.rollouts.start({ version: AT_ONCE, databases: [name], watch_s: 0 });
  expect(await untilEnded(fathom)).toMatchObject({ changed: 1, problems: [] });
  expect(existsSync(directory)).toBe(false);
});

describe('a database that is watched by a rollout', () => {
  it('is not pinned, can be restarted, and no other rollout begins after an abort', async () => {
    const { fathom } = stage;
    const { name } = fresh();
    const { id } = await beginWatched(name);
    for (const version of [null, AT_ONCE, WAITS])
      await expect(fathom.client.databases.pin(name, { version })).rejects.toMatchObject(conflict(name, id));
    await fathom.client.databases.restart(name);
    const stream = new StreamReader(fathom);
    await stream.subscribe(1, 'health');
    const snapshot = stream.frames.find(({ type }) => type === 'snapshot');
    expect(snapshot).toMatchObject({ data: { rollout: { id, active: [{ name, watched: true }] } } });
    stream.close();
    expect(await fathom.client.rollouts.abort()).toMatchObject({ active: [{ name, watched: true }] });
    const again = fathom.client.rollouts.start({ version: WAITS, databases: [name] });
    await expect(again).rejects.toMatchObject(conflict(id, name));
    // Nothing is left to watch.
    await fathom.client.databases.stop(name);
    expect(await untilEnded(fathom)).toMatchObject({ changed: 1, problems: [] });
    expect(await instance(fathom, name)).toMatchObject({ phase: 'stopped', pinned_version: AT_ONCE });
    expect(await fathom.client.databases.pin(name, { version: WAITS })).toMatchObject({
      pinned_version: WAITS,
    });
  });

  it('is deleted at once', async () => {
    const { fathom } = stage;
    const { name } = fresh();
    await beginWatched(name);
    await fathom.client.databases.delete(name);
    const rollout = await untilEnded(fathom);
    expect(rollout.problems).toMatchObject([{ name, result: 'skipped', message: 'it was deleted' }]);
    expect(existsSync(join(fathom.dataDir, 'user_dbs', name))).toBe(false);
    expect(await readdir(join(fathom.dataDir, 'rollouts', 'journals'))).toEqual([]);
  });
});
