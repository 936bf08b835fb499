import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { listAll } from '../../../test/helpers/target-conformance.ts';
import { DirectoryTarget } from '../targets/directory-target.ts';
import { runBackupWork } from './backup-work.ts';

const DATABASE = '2024-01-15-001-johndoe';
const HOST = '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a10';
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
  const claim = { host: HOST, restoredFrom: null, expected: null, isAccepted: false };
  return runBackupWork({ kind: 'prepare', target, claim, keys: KEYS, secrets: {}, rewrap });
}

function backUp(day: number) {
  const source = { database: DATABASE, dataDir: join(root, 'pb_data'), scratchDir: join(root, 'scratch') };
  const at = new Date(Date.UTC(2024, 0, day));
  return runBackupWork({ kind: 'backup', target, host: HOST, keys: KEYS, source, at });
}

it('lists a damaged backup beside the others, and no file of another program', async () => {
  await prepare();
  const [first, second] = [await backUp(1), await backUp(2)];
  const manifests = join(target, 'manifests', DATABASE);
  await writeFile(join(manifests, `${first.id}.json`), '{}');
  await writeFile(join(manifests, `${second.id} copy 1.json`), '{}');
  await writeFile(join(manifests, 'notes.json'), '{}');
  expect(await runBackupWork({ kind: 'list', target, database: DATABASE })).toEqual([
    { id: second.id, created_at: second.created_at, bytes: second.bytes, damaged: false },
    { id: first.id, created_at: first.created_at, bytes: 0, damaged: true },
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
