import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { mayMount, mountExt4, mountTmpfs } from '../../../test/helpers/mounts.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { describeTarget, listAll } from '../../../test/helpers/target-conformance.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { until } from '../../../test/helpers/until.ts';
import { DamagedObject } from '../backup-problem.ts';
import { DirectoryTarget } from './directory-target.ts';

describeTarget('directory', async () => new DirectoryTarget(join(await scratch(), 'backups')));

it('gives no other user access', async () => {
  const directory = join(await scratch(), 'backups');
  await new DirectoryTarget(directory).put('a/b', Buffer.of(1));
  const modes = [directory, join(directory, 'a'), join(directory, 'a', 'b')].map(
    async (path) => (await stat(path)).mode & 0o777,
  );
  expect(await Promise.all(modes)).toEqual([0o700, 0o700, 0o600]);
});

it('a writer that is killed leaves complete objects only', async () => {
  const directory = await scratch();
  const target = new DirectoryTarget(directory);
  const program = `
    import { DirectoryTarget } from ${JSON.stringify(join(import.meta.dirname, 'directory-target.ts'))};
    const target = new DirectoryTarget(${JSON.stringify(directory)});
    for (let round = 0; ; round += 1) await target.put('objects/o' + (round % 7), Buffer.alloc(500_000, round % 250));`;
  const writer = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' });
  const exit = once(writer, 'exit');
  await until(() => target.has('objects/o6'), { what: 'some objects' });
  writer.kill('SIGKILL');
  await exit;
  for await (const { key, bytes } of target.list('')) {
    const content = await target.get(key);
    expect([bytes, content?.length]).toEqual([500_000, 500_000]);
    expect(content?.equals(Buffer.alloc(500_000, content[0]))).toBe(true);
  }
});

it('follows no link below its directory', async () => {
  const [directory, other] = [await scratch(), await scratch()];
  await mkdir(join(other, 'aa'));
  await writeFile(join(other, 'aa', 'data.db'), 'live');
  await mkdir(join(directory, 'chunks'));
  await symlink(other, join(directory, 'chunks', 'name'));
  await symlink(join(other, 'aa', 'data.db'), join(directory, 'object'));
  const target = new DirectoryTarget(directory);
  for (const call of [
    () => listAll(target, 'chunks/name/'),
    () => target.get('chunks/name/aa/data.db'),
    () => target.get('chunks/name/aa/missing'),
    () => target.has('chunks/name/aa/data.db'),
    () => target.put('chunks/name/aa/data.db', Buffer.of(1)),
    () => target.put('chunks/name/new/object', Buffer.of(1)),
    () => target.delete('chunks/name/aa/data.db'),
  ]) {
    await expect(call()).rejects.toMatchObject({ reason: 'refused' });
  }
  await expect(target.get('object')).rejects.toThrow(DamagedObject);
  expect(await listAll(target, '')).toEqual([]);
  expect(await readdir(other)).toEqual(['aa']);
  expect(await readFile(join(other, 'aa', 'data.db'), 'utf8')).toBe('live');
});

it('may be reached over a link itself', async () => {
  const [directory, parent] = [await scratch(), await scratch()];
  await symlink(directory, join(parent, 'link'));
  const target = new DirectoryTarget(join(parent, 'link'));
  await target.put('a/b', Buffer.of(1));
  expect(await target.get('a/b')).toEqual(Buffer.of(1));
});

it('names a file in its place, which is no target without backups, and leaves it', async () => {
  const file = join(await scratch(), 'file');
  await writeFile(file, 'kept');
  for (const directory of [file, join(file, 'below')]) {
    const target = new DirectoryTarget(directory);
    for (const call of [
      () => target.put('a/b', Buffer.of(1)),
      () => target.get('a/b'),
      () => target.has('a'),
      () => listAll(target, ''),
      () => target.erase('a/b'),
      () => target.eraseAll('a/'),
    ])
      await expect(call()).rejects.toMatchObject({
        reason: 'missing',
        message: textWith(directory, 'BACKUP_TARGET'),
      });
  }
  expect(await readFile(file, 'utf8')).toBe('kept');
});

it('reads no FIFO, no directory and no huge file', async () => {
  const directory = await scratch();
  await execa('mkfifo', [join(directory, 'fifo')]);
  await mkdir(join(directory, 'directory'));
  await writeFile(join(directory, 'huge'), '');
  await truncate(join(directory, 'huge'), 9 * 1024 * 1024);
  const target = new DirectoryTarget(directory);
  for (const key of ['fifo', 'directory', 'huge'])
    await expect(target.get(key), key).rejects.toThrow(DamagedObject);
});

it('does not list what is no object', async () => {
  const directory = await scratch();
  await mkdir(join(directory, '.trash'));
  await writeFile(join(directory, '.trash', 'x'), '');
  await writeFile(join(directory, '.put-unfinished'), '');
  expect(await listAll(new DirectoryTarget(directory), '')).toEqual([]);
  expect(await readdir(directory)).toHaveLength(2);
});

it.skipIf(!mayMount)('does not wait for ever for a disk that does not answer (needs root)', async () => {
  const directory = await scratch();
  await mountExt4(directory, 16);
  await new DirectoryTarget(directory).put('a', Buffer.of(1));
  const target = new DirectoryTarget(directory, { timeoutMs: 200 });
  await execa('fsfreeze', ['--freeze', directory]);
  try {
    await expect(target.put('b', Buffer.of(2))).rejects.toMatchObject({ reason: 'slow' });
  } finally {
    await execa('fsfreeze', ['--unfreeze', directory]);
  }
  await until(() => target.has('b'), { what: 'the end of the write' });
  expect(await target.get('a')).toEqual(Buffer.of(1));
});

it.skipIf(!mayMount)('names a disk that is full, and one that is read-only (needs root)', async () => {
  const directory = await scratch();
  await mountTmpfs(directory, 1);
  const target = new DirectoryTarget(directory);
  await target.put('a', Buffer.of(1));
  await expect(target.put('b', Buffer.alloc(2_000_000, 1))).rejects.toMatchObject({ reason: 'full' });
  expect(await readdir(directory)).toEqual(['a']);
  await execa('mount', ['-o', 'remount,ro', directory]);
  await expect(target.put('b', Buffer.of(1))).rejects.toMatchObject({ reason: 'refused' });
  expect(await target.get('a')).toEqual(Buffer.of(1));
});
