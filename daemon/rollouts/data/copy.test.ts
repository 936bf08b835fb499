import { mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { mayMount, mountTmpfs } from '../../../test/helpers/mounts.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { copiedBytes, copyData, copyStorageAhead, findCopyDamage, hashCopy, restoreData } from './copy.ts';

async function dataWithFiles(): Promise<{ data: string; copy: string }> {
  const directory = await scratch();
  const [data, copy] = [join(directory, 'pb_data'), join(directory, 'rollout', 'pb_data')];
  await mkdir(join(data, 'storage', 'documents', 'a'), { recursive: true });
  await writeFile(join(data, 'storage', 'documents', 'a', 'file.txt'), 'content');
  await writeFile(join(data, 'types.d.ts'), 'types');
  const database = new DatabaseSync(join(data, 'data.db'));
  database.exec('CREATE TABLE notes (id TEXT PRIMARY KEY); INSERT INTO notes VALUES (1)');
  database.close();
  return { data, copy };
}

const count = (data: string) => {
  const database = new DatabaseSync(join(data, 'data.db'));
  const rows = database.prepare('SELECT count(*) AS n FROM notes').get()?.['n'];
  database.close();
  return rows;
};

const inode = async (path: string) => (await stat(path)).ino;

it('copies databases, and shares files of records', async () => {
  const { data, copy } = await dataWithFiles();
  await copyData(data, copy);
  const file = join('storage', 'documents', 'a', 'file.txt');
  expect(await inode(join(copy, file))).toBe(await inode(join(data, file)));
  expect(await inode(join(copy, 'data.db'))).not.toBe(await inode(join(data, 'data.db')));
  expect(await copiedBytes(data)).toBe((await stat(join(data, 'data.db'))).size);
});

it('brings back rows and deleted files, also when it is repeated', async () => {
  const { data, copy } = await dataWithFiles();
  await copyData(data, copy);
  const database = new DatabaseSync(join(data, 'data.db'));
  database.exec('PRAGMA journal_mode = WAL; DROP TABLE notes; CREATE TABLE others (id)');
  database.close();
  await rm(join(data, 'storage', 'documents'), { recursive: true });
  // Of a process that was killed: SQLite would apply it to the restored file.
  await writeFile(join(data, 'data.db-wal'), 'of another file');
  for (let time = 0; time < 2; time += 1) {
    await restoreData(copy, data);
    expect(count(data)).toBe(1);
    expect(await readFile(join(data, 'storage', 'documents', 'a', 'file.txt'), 'utf8')).toBe('content');
  }
  expect(count(copy)).toBe(1);
});

it('notices a copy that was changed, cut or removed', async () => {
  const { data, copy } = await dataWithFiles();
  await copyData(data, copy);
  const sums = await hashCopy(copy);
  expect(Object.keys(sums)).toEqual(['data.db']);
  expect(await findCopyDamage(copy, sums)).toBeNull();
  const file = join(copy, 'data.db');
  const content = await readFile(file);
  // In the middle of a page: SQLite would not notice it.
  await writeFile(file, content.with(content.length - 1, (content.at(-1) ?? 0) ^ 1));
  expect(await findCopyDamage(copy, sums)).toContain('data.db has changed');
  await writeFile(file, content.subarray(0, 4096));
  expect(await findCopyDamage(copy, sums)).toContain('data.db has changed');
  await rm(file);
  expect(await findCopyDamage(copy, sums)).toContain('data.db cannot be read');
});

it('replaces an earlier copy', async () => {
  const { data, copy } = await dataWithFiles();
  await mkdir(copy, { recursive: true });
  await writeFile(join(copy, 'data.db'), 'incomplete');
  await writeFile(join(copy, 'data.db-wal'), 'of an earlier copy');
  await copyData(data, copy);
  expect(count(copy)).toBe(1);
});

it('follows no link when it brings files back', async () => {
  const { data, copy } = await dataWithFiles();
  await copyData(data, copy);
  const other = await scratch();
  const directory = join(data, 'storage', 'documents');
  await rm(directory, { recursive: true });
  await symlink(other, directory);
  await restoreData(copy, data);
  expect(await readdir(other)).toEqual([]);
  expect(await readFile(join(directory, 'a', 'file.txt'), 'utf8')).toBe('content');
});

it.runIf(mayMount)('does not fill the disk of other databases', async () => {
  const disk = await scratch();
  await mountTmpfs(disk, 16);
  const [data, copy] = [join(disk, 'pb_data'), join(disk, 'copy')];
  await mkdir(data);
  await writeFile(join(data, 'data.db'), Buffer.alloc(7 * 1024 * 1024));
  await copyData(data, copy);
  await writeFile(join(data, 'data.db'), Buffer.alloc(8 * 1024 * 1024));
  await expect(copyData(data, copy)).rejects.toThrow(/data.db has 8 MiB, and 8 MiB are free/);
  expect(await readdir(copy)).toEqual([]);
});

it.runIf(mayMount)('copies a storage on another disk ahead, and then only what has changed', async () => {
  const { data, copy } = await dataWithFiles();
  const storage = join(data, 'storage');
  await mountTmpfs(storage, 16);
  const write = (name: string, content: string) => writeFile(join(storage, name), content);
  await mkdir(join(storage, 'documents'));
  for (const name of ['kept', 'deleted', 'documents/growing']) await write(name, 'content');
  await copyStorageAhead(data, copy);
  const kept = await inode(join(copy, 'storage', 'kept'));
  await rm(join(storage, 'deleted'));
  await write('documents/growing', 'more content');
  await write('new', 'content');
  await copyData(data, copy);
  expect((await readdir(join(copy, 'storage'), { recursive: true })).toSorted()).toEqual([
    'documents',
    'documents/growing',
    'kept',
    'new',
  ]);
  expect(await readFile(join(copy, 'storage', 'documents', 'growing'), 'utf8')).toBe('more content');
  expect(await inode(join(copy, 'storage', 'kept'))).toBe(kept);
});

it('copies nothing ahead that can be linked', async () => {
  const { data, copy } = await dataWithFiles();
  await copyStorageAhead(data, copy);
  await expect(readdir(copy)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('keeps the files of a storage that was moved behind a link', async () => {
  const directory = await scratch();
  const data = join(directory, 'user_dbs', 'a', 'pb_data');
  const copy = join(directory, 'user_dbs', 'a', 'rollout', 'pb_data');
  await mkdir(data, { recursive: true });
  const moved = await scratch();
  await writeFile(join(moved, 'file.txt'), 'content');
  await symlink(moved, join(data, 'storage'));
  await copyData(data, copy);
  await rm(join(moved, 'file.txt'));
  await restoreData(copy, data);
  expect(await readFile(join(moved, 'file.txt'), 'utf8')).toBe('content');
  expect(await readlink(join(data, 'storage'))).toBe(moved);
});

it('neither reads nor writes a storage that leads into another database', async () => {
  const directory = await scratch();
  const data = join(directory, 'user_dbs', 'a', 'pb_data');
  const copy = join(directory, 'user_dbs', 'a', 'rollout', 'pb_data');
  const other = join(directory, 'user_dbs', 'b', 'pb_data', 'storage');
  await mkdir(data, { recursive: true });
  await mkdir(other, { recursive: true });
  await writeFile(join(other, 'file.txt'), 'of another user');
  await symlink(other, join(data, 'storage'));
  await copyData(data, copy);
  expect(await readdir(copy)).toEqual([]);
});
