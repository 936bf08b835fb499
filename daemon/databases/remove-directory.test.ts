import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { mayMount, mountOverlay, mountTmpfs } from '../../test/helpers/mounts.ts';
import { scratch } from '../../test/helpers/scratch.ts';
import { exists } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { removeDatabaseDirectory } from './remove-directory.ts';

/** A database's directory with a file in `pb_data/storage`. */
async function fill(directory: string): Promise<void> {
  await mkdir(join(directory, 'pb_data', 'storage'), { recursive: true });
  await writeFile(join(directory, 'pb_data', 'storage', 'photo'), 'private');
}

async function remove(databases: string, name = 'db'): Promise<void> {
  await removeDatabaseDirectory(join(databases, name), join(databases, `.deleted-${name}`));
}

it('removes the data behind a link in place of the directory, and behind one in place of pb_data', async () => {
  const [databases, disk] = [await scratch(), await scratch()];
  await fill(join(disk, 'whole'));
  await symlink(join(disk, 'whole'), join(databases, 'db'));
  await remove(databases);
  await fill(join(disk, 'part'));
  await mkdir(join(databases, 'db'));
  await symlink(join(disk, 'part', 'pb_data'), join(databases, 'db', 'pb_data'));
  await remove(databases);
  expect(await readdir(databases)).toEqual([]);
  expect(await readdir(disk)).toEqual(['part']);
  expect(await readdir(join(disk, 'part'))).toEqual([]);
});

it('follows no other link, and accepts a missing directory and a broken link', async () => {
  const [databases, disk] = [await scratch(), await scratch()];
  await fill(join(databases, 'db'));
  await writeFile(join(disk, 'shared'), 'of all databases');
  await symlink(disk, join(databases, 'db', 'pb_data', 'backups'));
  await remove(databases);
  await remove(databases);
  await symlink('/nowhere', join(databases, 'db'));
  await remove(databases);
  expect(await readdir(databases)).toEqual([]);
  expect(await readdir(disk)).toEqual(['shared']);
});

it('removes directories below a path that is too long, and those of mode 000', async () => {
  const databases = await scratch();
  await fill(join(databases, 'db'));
  const nest = 'for i in {1..100}; do mkdir $1 && cd $1 || exit 1; done; mkdir closed/ && chmod 000 closed';
  await execa('bash', ['-c', nest, 'bash', 'n'.repeat(200)], { cwd: join(databases, 'db') });
  await mkdir(join(databases, 'db', 'closed', 'below'), { recursive: true });
  await chmod(join(databases, 'db', 'closed'), 0);
  await remove(databases);
  expect(await readdir(databases)).toEqual([]);
});

it.skipIf(!mayMount)('removes a directory of a lower layer of an overlay', async () => {
  const { lower, merged } = await mountOverlay(async (directory) => fill(join(directory, 'db')));
  await remove(merged);
  expect(await readdir(merged)).toEqual([]);
  expect(await exists(join(lower, 'db'))).toBe(true);
});

it.skipIf(!mayMount)('empties mount points, and fails on a file that is one', async () => {
  const databases = await scratch();
  await mkdir(join(databases, 'db'));
  await mountTmpfs(join(databases, 'db'), 1);
  await fill(join(databases, 'db'));
  await remove(databases);
  expect(await readdir(join(databases, 'db'))).toEqual([]);

  const data = join(databases, 'part', 'pb_data');
  await mkdir(data, { recursive: true });
  await execa('mount', ['--bind', data, data]);
  await writeFile(join(data, 'photo'), 'private');
  await remove(databases, 'part');
  const hidden = join(databases, '.deleted-part');
  expect(await readdir(join(hidden, 'pb_data'))).toEqual([]);
  await execa('umount', [join(hidden, 'pb_data')]);
  await removeTree(hidden);
  expect(await readdir(databases)).toEqual(['db']);

  const file = join(await scratch(), 'file');
  await writeFile(file, '');
  await execa('mount', ['--bind', file, file]);
  await expect(removeTree(file)).rejects.toMatchObject({ code: 'ENOTDIR' });
  await execa('umount', [file]);
});
