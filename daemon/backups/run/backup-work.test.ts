import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, statfs, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, it } from 'vitest';
import { prepareDamage } from '../../../test/helpers/damage.ts';
import { mayMount, mountTmpfs } from '../../../test/helpers/mounts.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { listAll } from '../../../test/helpers/target-conformance.ts';
import { BackupProblem } from '../backup-problem.ts';
import { readDataKey } from '../keys/stored-keys.ts';
import { placeFiles } from '../restore-backup.ts';
import { DirectoryTarget } from '../targets/directory-target.ts';
import { writeBackup } from '../write-backup.ts';
import { runBackupWork } from './backup-work.ts';

const DATABASE = '2024-01-15-001-johndoe';
const WRITER = {
  host: '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a10',
  daemon: '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a20',
};
const KEYS = {
  masters: [{ id: 'abcd1234', key: randomBytes(32) }] as [{ id: string; key: Buffer }],
  recovery: null,
};

let root: string;
let target: string;
beforeEach(async () => {
  root = await scratch();
  target = join(root, 'target');
  await mkdir(join(root, 'pb_data'));
  using database = new DatabaseSync(join(root, 'pb_data', 'data.db'));
  database.exec('CREATE TABLE t (x)');
});

function prepare(rewrap = false) {
  const claim = { ...WRITER, isFirst: true, restoredFrom: null, expected: null, isAccepted: false };
  return runBackupWork({ kind: 'prepare', target, claim, keys: KEYS, secrets: {}, rewrap });
}

function backUp(day: number, reserve = { directory: root, bytes: 0 }) {
  const source = { database: DATABASE, dataDir: join(root, 'pb_data'), scratchDir: join(root, 'scratch') };
  const at = new Date(Date.UTC(2024, 0, day));
  return runBackupWork({ kind: 'backup', target, writer: WRITER, keys: KEYS, source, at, reserve });
}

it('lists a damaged backup beside the others, and no file of another program', async () => {
  await prepare();
  const [first, second] = [await backUp(1), await backUp(2)];
  const manifests = join(target, 'manifests', DATABASE);
  await writeFile(join(manifests, `${first.id}.json`), '{}');
  await writeFile(join(manifests, `${second.id} copy 1.json`), '{}');
  await writeFile(join(manifests, 'notes.json'), '{}');
  expect(await runBackupWork({ kind: 'list', target, database: DATABASE })).toEqual([
    {
      id: second.id,
      created_at: second.created_at,
      bytes: second.bytes,
      stored_bytes: first.stored_bytes,
      damaged: false,
    },
    { id: first.id, created_at: first.created_at, bytes: 0, stored_bytes: 0, damaged: true },
  ]);
});

it('lists what each backup added, and one that lacks a part as damaged', async () => {
  await prepare();
  const first = await backUp(1);
  const before = await listAll(new DirectoryTarget(target), 'chunks/');
  {
    using database = new DatabaseSync(join(root, 'pb_data', 'data.db'));
    database.exec('CREATE TABLE u (x)');
  }
  const second = await backUp(2);
  const list = () => runBackupWork({ kind: 'list', target, database: DATABASE });
  expect(await list()).toMatchObject([
    { id: second.id, stored_bytes: second.stored_bytes, damaged: false },
    { id: first.id, stored_bytes: first.stored_bytes, damaged: false },
  ]);
  for (const { key } of before) await truncate(join(target, key), 0);
  expect(await list()).toMatchObject([
    { id: second.id, damaged: false },
    { id: first.id, damaged: true },
  ]);
});

it('wraps the other keys when some are damaged, foreign or no keys', async () => {
  await prepare();
  await backUp(1);
  await writeFile(join(target, 'keys', 'damaged.json'), '{}');
  await writeFile(join(target, 'keys', 'copy 1.json'), '{}');
  const foreign = { format: 1, database: 'foreign', master: 'enc.other', recovery: null };
  await writeFile(join(target, 'keys', 'foreign.json'), JSON.stringify(foreign));
  const { unusable } = await prepare(true);
  expect(unusable.map(({ database }) => database).toSorted()).toEqual(['damaged', 'foreign']);
});

it('writes no backup to a target that was unmounted since it was checked', async () => {
  await prepare();
  await rm(target, { recursive: true });
  await mkdir(target);
  await expect(backUp(1)).rejects.toMatchObject({ reason: 'target_away' });
  expect(await readdir(target)).toEqual([]);
});

it('stores empty parts again', async () => {
  await prepare();
  await backUp(1);
  const chunks = await listAll(new DirectoryTarget(target), 'chunks/');
  for (const { key } of chunks) await truncate(join(target, key), 0);
  expect(await backUp(2)).toMatchObject({ stored_chunks: chunks.length });
});

it.skipIf(!mayMount)('leaves space on the disk that it shares with databases', async () => {
  await mkdir(target);
  await mountTmpfs(target, 16);
  const dataDir = join(root, 'pb_data');
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  database.prepare('INSERT INTO t VALUES (?)').run(randomBytes(8_000_000));
  await prepare();
  const reserve = { directory: target, bytes: 12_000_000 };
  await expect(backUp(1, reserve)).rejects.toMatchObject({ code: 'ENOSPC' });
  const { bavail, bsize } = await statfs(target);
  expect(bavail * bsize).toBeGreaterThan(11_000_000);
  // Databases on another disk lose nothing.
  expect(await backUp(1, { directory: root, bytes: Number.MAX_SAFE_INTEGER })).toMatchObject({
    bytes: expect.any(Number) as number,
  });
});

it('SQLite reads the database again in a drill, and a restore compares its hash only', async () => {
  await prepare();
  await backUp(1);
  const dataDir = join(root, 'pb_data');
  const file = join(dataDir, 'data.db');
  await prepareDamage(file, 't')();
  const stored = new DirectoryTarget(target);
  const key = await readDataKey(stored, DATABASE, KEYS);
  const source = { database: DATABASE, dataDir, scratchDir: join(root, 'scratch') };
  // Without the check that every backup has.
  const options = { target: stored, key, previous: null, now: new Date(), find: () => null };
  const { id } = (await writeBackup(source, options)).backup;
  const restore = (name: string, isDrill?: true) =>
    runBackupWork({
      kind: 'restore',
      target,
      database: DATABASE,
      masters: KEYS.masters,
      id,
      directory: join(root, name),
      ...(isDrill && { isDrill }),
    });
  await expect(restore('drill', true)).rejects.toThrow('was damaged when it was backed up');
  expect(await readdir(root)).not.toContain('drill');
  await restore('restored');
  expect(await readdir(join(root, 'restored'))).toEqual(['data.db']);
  expect(await readFile(join(root, 'restored', 'data.db'))).toEqual(await readFile(file));
});

it('reads no other file of a restore when one fails', async () => {
  const begun: string[] = [];
  const files = Array.from({ length: 40 }, (_, index) => ({ path: `${index}` }));
  async function* read({ path }: { path: string }) {
    begun.push(path);
    yield Buffer.of(1);
    throw new BackupProblem('it is missing');
  }
  const directory = join(root, 'restored');
  await expect(placeFiles(files, { directory, read, damagedWhen: '' })).rejects.toThrow('it is missing');
  expect(begun).toEqual(['0', '1', '2', '3']);
  expect(await readdir(root)).not.toContain('restored');
});

it('removes what killed writers have left of a database, and nothing of living ones', async () => {
  await prepare();
  const made = await backUp(1);
  const [object] = await listAll(new DirectoryTarget(target), `chunks/${DATABASE}/`);
  const parent = dirname(join(target, object?.key ?? ''));
  const leftovers = [parent, join(target, 'manifests', DATABASE), join(target, 'keys'), target].map(
    (directory) => join(directory, '.put-7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a10'),
  );
  const writing = join(parent, '.put-7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a11');
  for (const path of [...leftovers, writing]) await writeFile(path, 'a part');
  const before = new Date(Date.now() - 2 * 86_400_000);
  for (const path of leftovers) await utimes(path, before, before);
  const prune = (database: string) =>
    runBackupWork({
      kind: 'prune',
      target,
      writer: WRITER,
      database,
      masters: KEYS.masters,
      rule: { hours: 0, days: 7, weeks: 0, months: 0, years: 0 },
      timezone: 'UTC',
      damaged: [],
      pinned: [],
      isDryRun: false,
    });
  const left = async () => {
    const names = await readdir(target, { recursive: true });
    return names
      .filter((name) => name.includes('.put-'))
      .map((name) => join(target, name))
      .toSorted();
  };
  expect(await prune(DATABASE)).toMatchObject({ kept: [made.id] });
  expect(await left()).toEqual([writing, ...leftovers.slice(2)].toSorted());
  await runBackupWork({
    kind: 'backup',
    target,
    writer: WRITER,
    keys: KEYS,
    source: { database: 'global', dataDir: join(root, 'pb_data'), scratchDir: join(root, 'scratch') },
    at: new Date(Date.UTC(2024, 0, 1)),
    reserve: { directory: root, bytes: 0 },
  });
  await prune('global');
  expect(await left()).toEqual([writing]);
});
