import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it } from 'vitest';
import { randomFrom } from '../../../test/helpers/random.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { listAll } from '../../../test/helpers/target-conformance.ts';
import { parseKeepRule } from '../../config/backup-keep.ts';
import { createRecoveryKey } from '../keys/recovery-key.ts';
import { ensureDataKey, readDataKey } from '../keys/stored-keys.ts';
import { type Backup, listBackups, manifestKey, readManifest } from '../manifest.ts';
import { restoreBackup } from '../restore-backup.ts';
import { DirectoryTarget } from '../targets/directory-target.ts';
import { writeBackup } from '../write-backup.ts';
import { eraseBackups } from './erase-backups.ts';
import { erasedId } from './erased-databases.ts';
import { type PruneOptions, pruneBackups } from './prune-backups.ts';
import { verifyBackups } from './verify-backups.ts';

const DATABASE = '2024-01-15-001-johndoe';
const MASTER = { id: 'abcd1234', key: randomBytes(32) };
const RECOVERY = createRecoveryKey();
const KEYS = { masters: [MASTER] as [typeof MASTER], recovery: RECOVERY.publicText };

let root: string;
let target: DirectoryTarget;
beforeEach(async () => {
  root = await scratch();
  target = new DirectoryTarget(join(root, 'target'));
});

/** One backup a day; each has a file that the others do not have. */
async function makeBackups(count: number): Promise<string[]> {
  const dataDir = join(root, 'pb_data');
  await mkdir(join(dataDir, 'storage'), { recursive: true });
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  database.exec('CREATE TABLE IF NOT EXISTS t (x BLOB)');
  const ids: string[] = [];
  let previous: Backup | null = null;
  for (let day = 1; day <= count; day += 1) {
    database.prepare('INSERT INTO t VALUES (?)').run(randomBytes(300_000));
    await rm(join(dataDir, 'storage', String(day - 1)), { force: true });
    await writeFile(join(dataDir, 'storage', String(day)), randomBytes(1_200_000));
    const source = { database: DATABASE, dataDir, scratchDir: join(root, 'scratch') };
    const key = await ensureDataKey(target, DATABASE, KEYS);
    const now = new Date(Date.UTC(2024, 0, day));
    previous = (await writeBackup(source, { target, key, previous, now })).backup;
    ids.push(previous.id);
  }
  return ids;
}

async function prune(keep: string, options: Partial<PruneOptions> = {}) {
  const key = await readDataKey(target, DATABASE, { masters: [MASTER] });
  const rule = parseKeepRule(keep);
  if (rule === null) throw new Error(`${keep} is no rule`);
  const usual = { rule, timezone: 'UTC', isUndamaged: () => true, isDryRun: false };
  return pruneBackups(target, key, DATABASE, { ...usual, ...options });
}

async function restoreAll(): Promise<string[]> {
  const key = await readDataKey(target, DATABASE, { masters: [MASTER] });
  const ids = await listBackups(target, DATABASE);
  for (const id of ids) {
    const directory = join(root, 'restored');
    const backup = await readManifest(target, key, { database: DATABASE, id });
    await restoreBackup(backup, { target, key, directory });
    await rm(directory, { recursive: true });
  }
  return ids;
}

async function chunkNames(): Promise<Set<string>> {
  return new Set((await listAll(target, 'chunks/')).map(({ key }) => key.slice(key.lastIndexOf('/') + 1)));
}

async function usedChunks(): Promise<Set<string>> {
  const key = await readDataKey(target, DATABASE, { masters: [MASTER] });
  const ids = await listBackups(target, DATABASE);
  const backups = ids.map((id) => readManifest(target, key, { database: DATABASE, id }));
  return new Set((await Promise.all(backups)).flatMap(({ chunks }) => chunks));
}

const refuse = () => Promise.reject(new Error('of another daemon'));

describe('pruning', () => {
  it('removes backups that are not kept, and the parts that only they used', async () => {
    const ids = await makeBackups(6);
    const before = await listAll(target, '');
    const planned = await prune('2d', { isDryRun: true });
    expect(await listAll(target, '')).toEqual(before);
    const pruned = await prune('2d');
    expect(pruned).toEqual(planned);
    expect(pruned).toMatchObject({ kept: ids.slice(-2), removed: ids.slice(0, -2), unreadable: [] });
    expect(pruned.chunks.removed).toBeGreaterThan(8);
    expect(pruned.chunks.bytes).toBeGreaterThan(4 * 600_000);
    expect(await chunkNames()).toEqual(await usedChunks());
    expect(await restoreAll()).toEqual(ids.slice(-2));
    expect(await prune('2d')).toMatchObject({ removed: [], chunks: { removed: 0, bytes: 0 } });
  });

  it('removes nothing from a target that another daemon uses', async () => {
    await makeBackups(4);
    const before = await listAll(target, '');
    await expect(prune('1d', { beforeRemoval: refuse })).rejects.toThrow('of another daemon');
    expect(await listAll(target, '')).toEqual(before);
    expect(await prune('1d', { beforeRemoval: refuse, isDryRun: true })).toMatchObject({ unreadable: [] });
  });

  it('keeps the last undamaged backup', async () => {
    const ids = await makeBackups(4);
    await prune('1d', { isUndamaged: (id) => id === ids[1] });
    expect(await restoreAll()).toEqual([ids[1], ids[3]]);
  });

  it('removes no part while a manifest is damaged, and names it', async () => {
    const ids = await makeBackups(3);
    const chunks = await chunkNames();
    await target.put(manifestKey(DATABASE, ids[0] ?? ''), Buffer.from('{}'));
    const pruned = await prune('1d');
    expect(pruned).toMatchObject({
      removed: [ids[1]],
      unreadable: [{ id: ids[0], problem: expect.stringContaining('or delete it') as string }],
      chunks: { removed: 0 },
    });
    expect(await chunkNames()).toEqual(chunks);
  });

  it('removes nothing without the key', async () => {
    const ids = await makeBackups(3);
    const other = await ensureDataKey(new DirectoryTarget(join(root, 'other')), DATABASE, KEYS);
    const rule = { hours: 0, days: 1, weeks: 0, months: 0, years: 0 };
    const options = { rule, timezone: 'UTC', isUndamaged: () => true, isDryRun: false };
    const pruned = await pruneBackups(target, other, DATABASE, options);
    expect(pruned).toMatchObject({ kept: [], removed: [], chunks: { removed: 0 } });
    expect(await restoreAll()).toEqual(ids);
  });

  it('that is killed at any point leaves backups that restore, and the next one completes it', async () => {
    const seed = randomInt(2 ** 31);
    const random = randomFrom(seed);
    process.stdout.write(`seed ${seed}\n`);
    await makeBackups(7);
    const whole = join(root, 'whole');
    await cp(join(root, 'target'), whole, { recursive: true, preserveTimestamps: true });
    const complete = await prune('2d,2w');
    const chunks = await chunkNames();
    const deletions = complete.removed.length + complete.chunks.removed;
    for (let round = 0; round < 8; round += 1) {
      const last = Math.floor(random() * deletions);
      await rm(join(root, 'target'), { recursive: true });
      await cp(whole, join(root, 'target'), { recursive: true, preserveTimestamps: true });
      await pruneUntilKilled(last);
      expect((await restoreAll()).length, `seed ${seed}`).toBeGreaterThanOrEqual(complete.kept.length);
      await prune('2d,2w');
      expect(await listBackups(target, DATABASE), `seed ${seed}`).toEqual(complete.kept);
      expect(await chunkNames()).toEqual(chunks);
    }
  });
});

const url = (file: string) => JSON.stringify(join(dirname(import.meta.dirname), file));

/** Prunes in another process, which is killed when it has deleted so many objects. */
async function pruneUntilKilled(deletions: number): Promise<void> {
  const program = `
    import { pruneBackups } from ${url('retention/prune-backups.ts')};
    import { readDataKey } from ${url('keys/stored-keys.ts')};
    import { DirectoryTarget } from ${url('targets/directory-target.ts')};
    let left = ${deletions};
    class Killed extends DirectoryTarget {
      async delete(key) {
        if (left === 0) process.kill(process.pid, 'SIGKILL');
        left -= 1;
        await super.delete(key);
      }
    }
    const target = new Killed(${JSON.stringify(join(root, 'target'))});
    const masters = [{ id: '${MASTER.id}', key: Buffer.from('${MASTER.key.toString('hex')}', 'hex') }];
    const key = await readDataKey(target, '${DATABASE}', { masters });
    const rule = ${JSON.stringify(parseKeepRule('2d,2w'))};
    await pruneBackups(target, key, '${DATABASE}', { rule, timezone: 'UTC', isUndamaged: () => true, isDryRun: false });`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
}

describe('verification', () => {
  it('names parts that are missing or were changed, and which backups need them', async () => {
    const ids = await makeBackups(3);
    const key = await readDataKey(target, DATABASE, { masters: [MASTER] });
    const verify = () => verifyBackups(target, key, { database: DATABASE, ids });
    const states = (await verify()).map(({ state }) => state);
    expect(states).toEqual(['complete', 'complete', 'complete']);

    const { files } = await readManifest(target, key, { database: DATABASE, id: ids[1] ?? '' });
    const own = files.find(({ path }) => path === 'storage/2')?.chunks ?? [];
    const [missing, damaged] = own.map((name) => `chunks/${DATABASE}/${name.slice(0, 2)}/${name}`) as [
      string,
      string,
    ];
    await target.delete(missing);
    const sealed = (await target.get(damaged)) ?? Buffer.of();
    sealed[50] = (sealed[50] ?? 0) ^ 1;
    await target.put(damaged, sealed);
    await target.put(manifestKey(DATABASE, ids[2] ?? ''), Buffer.from('{}'));
    expect(await verify()).toMatchObject([
      { id: ids[0], state: 'complete', missing: [], damaged: [] },
      { id: ids[1], state: 'damaged', missing: [missing], damaged: [damaged] },
      { id: ids[2], state: 'damaged', missing: [], damaged: [manifestKey(DATABASE, ids[2] ?? '')] },
    ]);
  });
});

describe('erasure', () => {
  it('makes a copy of the target unreadable without the key, with the recovery key too', async () => {
    const ids = await makeBackups(2);
    const copies = await Promise.all(
      (await listAll(target, '')).map(async ({ key }) => ({ key, content: await target.get(key) })),
    );
    await eraseBackups(target, DATABASE, { account: true, at: new Date() });
    const left = await listAll(target, '');
    expect(left.map(({ key }) => key)).toEqual([`erased/${erasedId(DATABASE)}.json`]);
    // A crash after the first step, or former versions of the objects.
    for (const { key, content } of copies) {
      if (!key.startsWith('keys/')) await target.put(key, content ?? Buffer.of());
    }
    for (const keys of [{ masters: KEYS.masters }, { recoveryKey: RECOVERY.privateText }]) {
      await expect(readDataKey(target, DATABASE, keys)).rejects.toThrow('erased');
    }
    const next = await ensureDataKey(target, DATABASE, KEYS);
    for (const id of ids) {
      await expect(readManifest(target, next, { database: DATABASE, id })).rejects.toThrow('another key');
    }
    const report = await verifyBackups(target, next, { database: DATABASE, ids });
    expect(report.map(({ state }) => state)).toEqual(['damaged', 'damaged']);
  });
});
