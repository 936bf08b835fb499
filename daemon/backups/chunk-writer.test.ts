import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { listAll } from '../../test/helpers/target-conformance.ts';
import { ChunkWriter, DATABASE_CHUNK_BYTES } from './chunk-writer.ts';
import { ensureDataKey } from './keys/stored-keys.ts';
import { type Backup, storeManifest } from './manifest.ts';
import { restoreBackup } from './restore-backup.ts';
import { DirectoryTarget } from './targets/directory-target.ts';
import { writeBackup } from './write-backup.ts';

const DATABASE = '2024-01-15-001-johndoe';
const PHOTO = 'storage/c/r/photo.jpg';

it('restores and continues backups of earlier versions, which stored files in smaller parts', async () => {
  const root = await scratch();
  const dataDir = join(root, 'pb_data');
  const photo = randomBytes(3_000_000);
  await mkdir(join(dataDir, 'storage', 'c', 'r'), { recursive: true });
  await writeFile(join(dataDir, PHOTO), photo);
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  database.exec('CREATE TABLE t (x)');
  const target = new DirectoryTarget(join(root, 'target'));
  const masters = [{ id: 'abcd1234', key: randomBytes(32) }] as const;
  const key = await ensureDataKey(target, DATABASE, { masters, recovery: null });

  const writer = new ChunkWriter(target, key, DATABASE);
  const files = [];
  for (const path of ['data.db', PHOTO]) {
    await using file = await open(join(dataDir, path));
    files.push(await writer.add(file, path, DATABASE_CHUNK_BYTES));
  }
  await writer.flush();
  const earlier: Backup = {
    format: 1,
    id: '20240115t100000000z-00000000',
    database: DATABASE,
    created_at: '2024-01-15T10:00:00.000Z',
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    chunks: files.flatMap(({ chunks }) => chunks).toSorted(),
    files,
  };
  await storeManifest(target, key, earlier);
  const before = await listAll(target, 'chunks/');
  expect(before).toHaveLength(1 + Math.ceil(photo.length / DATABASE_CHUNK_BYTES));

  const source = { database: DATABASE, dataDir, scratchDir: join(root, 'scratch') };
  const { backup, stored } = await writeBackup(source, { target, key, previous: earlier, now: new Date() });
  expect(stored.chunks).toBe(0);
  for (const [index, one] of [earlier, backup].entries()) {
    const directory = join(root, `restored-${index}`);
    await restoreBackup(one, { target, key, directory });
    expect((await readFile(join(directory, PHOTO))).equals(photo)).toBe(true);
  }
});
