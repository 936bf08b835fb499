import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashFile } from '../../daemon/base/files/hash-file.ts';
import { prepareDamage } from '../helpers/damage.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { kill, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';
import { dataFileOf } from '../helpers/user-migrations.ts';
import {
  builds,
  checkWriters,
  createVersionsStage,
  DATABASES,
  installCrashing,
  NEW,
  OLD,
  type RolloutStage,
  rollOut,
  startWriters,
  untilEnded,
  untilVersion,
  WRITERS,
} from './stage.ts';

const executables = await builds('upgrades of PocketBase');

describe.skipIf(executables === null)('an upgrade of the fleet', () => {
  let stage: RolloutStage;

  beforeAll(async () => {
    stage = await createVersionsStage(executables);
  }, 600_000);

  afterAll(() => stage?.fathom.dispose(), 120_000);

  it('changes every database twice under load, and loses no record', async () => {
    const { fathom, tenants } = stage;
    const [stopped, asleep] = [tenants.at(-1)?.name ?? '', tenants.at(-2)?.name ?? ''];
    await fathom.client.databases.stop(stopped);
    await fathom.client.databases.sleep(asleep);
    const writers = await startWriters(fathom, tenants.slice(0, WRITERS));
    const plan = await fathom.client.rollouts.plan({ version: NEW, canary: 2, wave: 100 });
    expect(plan).toMatchObject({ waves: [2, DATABASES - 2], closes: [{ id: 'CVE-2026-82410' }] });
    expect(plan.hazards.map(({ id }) => id)).toContain('backups-vacuum-into');
    for (const version of [OLD, NEW]) {
      const rollout = await rollOut(fathom, { version, canary: 1, wave: 5, watch_s: 1 });
      expect(rollout).toMatchObject({
        status: 'done',
        changed: DATABASES,
        failed: 0,
        skipped: 0,
        problems: [],
      });
      for (const { name } of tenants) {
        const { pocketbase_version, phase } = await fathom.client.databases.get(name);
        expect({ name, pocketbase_version }).toEqual({ name, pocketbase_version: version });
        expect(phase).toBe(name === stopped ? 'stopped' : name === asleep ? 'asleep' : 'running');
      }
      console.log(`longest time without an answer with ${version}: ${rollout.longest_unanswered_ms} ms`);
    }
    const { stdout } = await fathomd(['pocketbase', 'rollback', OLD, '--dry-run'], { env: fathom.env });
    expect(stdout).toContain(`${DATABASES} databases get PocketBase ${OLD}`);
    const back = await rollOut(fathom, { version: OLD, back: true, wave: 5, watch_s: 1 });
    expect(back).toMatchObject({ status: 'done', changed: DATABASES, failed: 0, skipped: 0 });
    for (const { name } of tenants)
      expect((await fathom.client.databases.get(name)).pocketbase_version).toBe(OLD);
    await expect(fathom.client.rollouts.start({ version: NEW, back: true })).rejects.toMatchObject({
      code: 'conflict',
    });
    console.log(`${await checkWriters(fathom, writers)} records acknowledged`);
    // Nothing stays of the copies.
    for (const { name } of tenants)
      expect(existsSync(join(fathom.dataDir, 'user_dbs', name, 'rollout'))).toBe(false);
    expect(await readdir(join(fathom.dataDir, 'rollouts', 'journals'))).toEqual([]);
  }, 1_800_000);

  it('takes back the one database in which the new version ends itself, with its records', async () => {
    const { fathom, tenants } = stage;
    // The 30th, after several waves in the full test.
    const damaged = tenants.slice(Math.min(29, DATABASES - 3))[0] as Tenant;
    const victim = damaged.name;
    const before = (await fathom.client.databases.get(victim)).pocketbase_version ?? '';
    const version = '0.40.7';
    const afterS = Number(process.env['FATHOM_ROLLOUT_CRASH_S'] ?? 3);
    await installCrashing(fathom, { version, real: executables?.[NEW] ?? '', database: victim, afterS });
    const writers = await startWriters(fathom, [...tenants.slice(0, 2), damaged]);
    const rollout = await rollOut(fathom, { version, canary: 1, watch_s: afterS + 5 });
    expect(rollout).toMatchObject({ status: 'done', changed: DATABASES - 1, failed: 1 });
    expect(rollout.problems).toMatchObject([{ name: victim, result: 'failed' }]);
    await untilVersion(fathom, victim, before);
    for (const { name } of tenants) {
      const { pocketbase_version } = await fathom.client.databases.get(name);
      expect({ name, pocketbase_version }).toEqual({
        name,
        pocketbase_version: name === victim ? before : version,
      });
    }
    const count = await checkWriters(fathom, writers);
    expect(count).toBeGreaterThan(0);
    console.log(`${count} records acknowledged, ${victim} alone is on ${before} again`);
    const seen = await untilRunning(fathom, victim);
    expect(seen.reason).toBeNull();
  }, 600_000);

  it('restores the copy where the new version does not start', async () => {
    const { fathom, tenants } = stage;
    const victim = tenants[2]?.name ?? '';
    const before = (await fathom.client.databases.get(victim)).pocketbase_version;
    const version = '0.40.8';
    await installCrashing(fathom, { version, real: executables?.[NEW] ?? '', database: victim, afterS: 0 });
    const writers = await startWriters(fathom, tenants.slice(2, 3));
    const rollout = await rollOut(fathom, { version, databases: [victim], canary: 0, watch_s: 1 });
    expect(rollout).toMatchObject({ changed: 0, problems: [{ name: victim, result: 'failed' }] });
    await untilVersion(fathom, victim, before);
    expect(await checkWriters(fathom, writers)).toBeGreaterThan(0);
  });

  it('does not count a database that its owner ends with each version, also in the canary', async () => {
    const { fathom, tenants } = stage;
    const [victim, other] = [tenants[2]?.name ?? '', tenants[5]?.name ?? ''];
    const before = (await fathom.client.databases.get(victim)).pocketbase_version;
    const version = '0.40.13';
    await installCrashing(fathom, { version, real: executables?.[NEW] ?? '', database: 'none', afterS: 0 });
    await fathom.client.rollouts.start({ version, databases: [victim, other], canary: 1, watch_s: 20 });
    const ended = new Set<string | null>();
    const rollout = await until(
      async () => {
        const seen = await fathom.client.rollouts.status();
        const isWatched = seen.active.some(({ name, watched }) => name === victim && watched);
        const { pid, phase, pocketbase_version: runs } = await fathom.client.databases.get(victim);
        // Once with each version.
        if (isWatched && phase === 'running' && !ended.has(runs)) {
          ended.add(runs);
          kill(pid, 'SIGKILL');
        }
        return seen.status !== 'running' && seen.active.length === 0 ? seen : null;
      },
      { timeoutMs: 300_000, what: 'the end of the rollout' },
    );
    expect(rollout).toMatchObject({ status: 'done', changed: 1, failed: 0, skipped: 1 });
    expect(rollout.problems).toMatchObject([
      { name: victim, result: 'skipped', message: textWith('it fails too') },
    ]);
    await untilVersion(fathom, victim, before ?? '');
    await untilVersion(fathom, other, version);
  }, 400_000);

  it('goes back when another process releases its lock, and takes no file of an earlier change', async () => {
    const { fathom, tenants, daemon } = stage;
    const victim = tenants[3]?.name ?? '';
    const before = (await fathom.client.databases.get(victim)).pocketbase_version;
    const version = '0.40.12';
    await installCrashing(fathom, { version, real: executables?.[NEW] ?? '', database: 'none', afterS: 0 });
    const earlier = join(fathom.dataDir, 'user_dbs', victim, 'rollout', 'newer.db');
    await mkdir(dirname(earlier));
    await writeFile(earlier, 'of an earlier change');
    {
      using other = new DatabaseSync(dataFileOf(fathom, victim));
      other.exec('PRAGMA busy_timeout = 2000; BEGIN IMMEDIATE');
      await fathom.client.rollouts.start({ version, databases: [victim], watch_s: 5 });
      const line = 'cannot go back yet, and tries again: database is locked';
      await until(() => daemon.output().includes(line), { what: 'a second try', timeoutMs: 60_000 });
      expect(existsSync(earlier)).toBe(false);
    }
    expect(await untilEnded(fathom)).toMatchObject({ changed: 0, failed: 1 });
    await untilVersion(fathom, victim, before);
    expect(existsSync(dirname(earlier))).toBe(false);
    expect(await readdir(join(fathom.dataDir, 'rollouts', 'journals'))).toEqual([]);
    await fathom.client.rollouts.abort();
  }, 120_000);

  it('stays changed for good when it cannot go back', async () => {
    const { fathom, tenants } = stage;
    const victim = tenants[4]?.name ?? '';
    const version = '0.40.12';
    {
      using other = new DatabaseSync(dataFileOf(fathom, victim));
      other.exec('PRAGMA busy_timeout = 2000; BEGIN IMMEDIATE');
      const rollout = await rollOut(fathom, { version, databases: [victim], watch_s: 5 });
      expect(rollout.problems).toMatchObject([
        { name: victim, result: 'failed', message: textWith('database is locked', 'so it stays changed') },
      ]);
    }
    await untilVersion(fathom, victim, version);
    // The next daemon does not go back to a copy of an earlier time.
    expect(await readdir(join(fathom.dataDir, 'rollouts', 'journals'))).toEqual([]);
    expect(await fathom.client.databases.pin(victim, { version })).toMatchObject({ pinned_version: version });
    await fathom.client.rollouts.abort();
  }, 180_000);

  it('halts by itself, continues after a resume, and ends with an abort', async () => {
    const { fathom, tenants } = stage;
    const version = '0.40.9';
    const [canary, next] = [tenants[0]?.name ?? '', tenants[1]?.name ?? ''];
    await installCrashing(fathom, { version, real: executables?.[NEW] ?? '', database: canary, afterS: 0 });
    const request = { version, databases: [canary, next], watch_s: 1 };
    expect(await fathom.client.rollouts.plan(request)).toMatchObject({ waves: [1, 1] });
    expect(await rollOut(fathom, request)).toMatchObject({ status: 'halted', changed: 0, failed: 1 });
    // A shell that does not find the program, as in a clone.
    const env = { ...fathom.env, PATH: '/usr/bin:/bin' };
    const { stdout } = await fathomd(['pocketbase', 'status'], { env });
    expect(stdout).toMatch(/run '\S*bin\/fathomd pocketbase resume'/);
    await expect(fathom.client.rollouts.start(request)).rejects.toMatchObject({ code: 'conflict' });
    await fathom.client.rollouts.resume();
    expect(await untilEnded(fathom)).toMatchObject({ status: 'done', changed: 1, failed: 1 });
    await fathom.client.rollouts.start({ ...request, databases: [canary], pause: true });
    expect(await fathom.client.rollouts.abort()).toMatchObject({ status: 'aborted', changed: 0, failed: 0 });
    await expect(fathom.client.rollouts.resume()).rejects.toMatchObject({ code: 'conflict' });
  });

  it('has commands that plan, change and report', async () => {
    const { fathom, tenants } = stage;
    const version = '0.40.11';
    await installCrashing(fathom, { version, real: executables?.[NEW] ?? '', database: 'none', afterS: 0 });
    const run = (...args: string[]) => fathomd(['pocketbase', ...args], { env: fathom.env });
    const choice = ['--databases', tenants[0]?.name ?? '', '--watch', '0'];
    const plan = await run('upgrade', version, '--dry-run', ...choice);
    expect(plan).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`1 databases get PocketBase ${version}`),
    });
    const upgrade = await run('upgrade', `v${version}`, ...choice);
    expect(upgrade).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('1 of 1 changed, 0 failed'),
    });
    expect(upgrade.stderr).toContain('[########################] 1 of 1');
    const status = await run('status', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ target: version, status: 'done', changed: 1 });
    expect(await run('pause')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is done') });
  });

  it('changes nothing where the data is damaged', async () => {
    const { fathom, tenants } = stage;
    const victim = tenants[1]?.name ?? '';
    await fathom.client.databases.stop(victim);
    const file = dataFileOf(fathom, victim);
    await prepareDamage(file, 'documents')();
    const before = await hashFile(file);
    const version = '0.40.10';
    await installCrashing(fathom, { version, real: executables?.[NEW] ?? '', database: 'none', afterS: 0 });
    const rollout = await rollOut(fathom, { version, databases: [victim], watch_s: 1 });
    expect(rollout.problems[0]?.message).toContain('damaged');
    expect(await hashFile(file)).toBe(before);
    expect(await fathom.client.databases.get(victim)).toMatchObject({ phase: 'stopped' });
  });
});
