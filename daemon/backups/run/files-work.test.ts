import { mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { listAll } from '../../../test/helpers/target-conformance.ts';
import { DirectoryTarget } from '../targets/directory-target.ts';
import { fetchFiles, storeFiles } from './files-work.ts';

const PREFIX = 'fleet/2024-01-15-001-johndoe/files/';
const LARGE = Buffer.alloc(9 * 1024 * 1024, 'large');

let root: string;
let target: DirectoryTarget;
let dataDir: string;
beforeEach(async () => {
  root = await scratch();
  target = new DirectoryTarget(join(root, 'target'));
  dataDir = join(root, 'pb_data');
});

async function write(path: string, content: string | Buffer, below = dataDir): Promise<void> {
  await mkdir(dirname(join(below, path)), { recursive: true });
  await writeFile(join(below, path), content);
}

const store = (since: number | null = null) =>
  storeFiles({ kind: 'store-files', target: '', prefix: PREFIX, directory: dataDir, since }, target);

async function fetch(known: string | null = null) {
  const directory = join(root, 'fetched');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  return fetchFiles({ kind: 'fetch-files', target: '', prefix: PREFIX, directory, known }, target);
}

async function fetched(): Promise<Record<string, string>> {
  const entries = await readdir(join(root, 'fetched'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((path) => readFile(path, 'utf8')));
  return Object.fromEntries(files.map((path, at) => [path.slice(root.length + 9), contents[at] ?? '']));
}

it('stores files of any name and size, without thumbnails and links, and writes them again', async () => {
  await write('data.db', 'not uploaded');
  await write('storage/c/r/Photo ÄÖ (1).PNG', 'a photo');
  await write('storage/c/r/empty.txt', '');
  await write('storage/c/r/large.bin', LARGE);
  await write('storage/c/r/thumbs_Photo.PNG/100x100_Photo.PNG', 'small');
  await symlink('/etc/passwd', join(dataDir, 'storage/c/r/link'));
  expect(await store()).toEqual({ stored: 3 });
  expect(await store()).toEqual({ stored: 0 });
  expect(await fetch()).toEqual({ files: 3, damaged: [] });
  expect(await fetched()).toEqual({
    'storage/c/r/Photo ÄÖ (1).PNG': 'a photo',
    'storage/c/r/empty.txt': '',
    'storage/c/r/large.bin': LARGE.toString(),
  });
});

it('stores only what is new since a time', async () => {
  await write('storage/c/r/old.txt', 'old');
  const { ctimeMs } = await stat(join(dataDir, 'storage/c/r/old.txt'));
  await write('storage/c/r/new.txt', 'new');
  await utimes(join(dataDir, 'storage/c/r/new.txt'), 0, 0);
  expect(await store(ctimeMs + 0.001)).toEqual({ stored: 1 });
  await fetch();
  expect(await fetched()).toEqual({ 'storage/c/r/new.txt': 'new' });
});

it('removes nothing from the target', async () => {
  await write('storage/c/r/kept.txt', 'kept');
  await write('storage/c/r/deleted.txt', 'deleted');
  await store();
  await rm(join(dataDir, 'storage/c/r/deleted.txt'));
  expect(await store()).toEqual({ stored: 0 });
  await fetch();
  expect(await fetched()).toEqual({
    'storage/c/r/deleted.txt': 'deleted',
    'storage/c/r/kept.txt': 'kept',
  });
});

it('takes files that are there and the same, and adds others, but follows no link', async () => {
  await write('storage/c/r/a.txt', 'same');
  await write('storage/c/r/zero.txt', 'four');
  await write('storage/c/s/b.txt', 'of ours');
  await store();
  const known = join(root, 'known');
  await write('storage/c/r/a.txt', 'same', known);
  await write('storage/c/r/zero.txt', '\0\0\0\0', known);
  await write('storage/c/r/earlier.txt', 'never stored', known);
  await write('s/b.txt', 'of ours', join(root, 'elsewhere'));
  await write('s/other.txt', 'of another database', join(root, 'elsewhere'));
  await symlink(join(root, 'elsewhere/s'), join(known, 'storage/c/s'));
  await fetch(known);
  expect(await fetched()).toEqual({
    'storage/c/r/a.txt': 'same',
    'storage/c/r/earlier.txt': 'never stored',
    'storage/c/r/zero.txt': 'four',
    'storage/c/s/b.txt': 'of ours',
  });
  const linked = await stat(join(known, 'storage/c/r/a.txt'));
  expect((await stat(join(root, 'fetched', 'storage/c/r/a.txt'))).ino).toBe(linked.ino);
});

it('names damaged and foreign objects, and fetches the others', async () => {
  await write('storage/c/r/a.txt', 'content');
  await store();
  const keys = (await listAll(target, PREFIX)).map(({ key }) => key);
  const part = keys.find((key) => key.endsWith('/0')) ?? '';
  const header = keys.find((key) => key.endsWith('.json')) ?? '';
  await write('storage/c/r/b.txt', 'good');
  await store();
  const good = { 'storage/c/r/b.txt': 'good' };
  for (const damage of [() => target.put(part, Buffer.from('another')), () => target.delete(part)]) {
    await damage();
    expect(await fetch()).toEqual({ files: 1, damaged: ['storage/c/r/a.txt'] });
    expect(await fetched()).toEqual(good);
  }
  const fields = JSON.parse((await target.get(header))?.toString() ?? '') as object;
  for (const path of ['../../escape', 'data.db', '/etc/passwd', 'storage/../data.db']) {
    await target.put(header, Buffer.from(JSON.stringify({ ...fields, path })));
    expect(await fetch(), path).toEqual({ files: 1, damaged: [header] });
    expect(await fetched()).toEqual(good);
  }
});
