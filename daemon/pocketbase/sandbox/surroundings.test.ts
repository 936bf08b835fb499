import { mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { pathsAround } from './surroundings.ts';

it('lists everything beside a hidden directory and a hidden file', async () => {
  const root = await realpath(await scratch());
  await mkdir(join(root, 'app', 'var', 'databases'), { recursive: true });
  await mkdir(join(root, 'app', 'modules'));
  await mkdir(join(root, 'other'));
  await writeFile(join(root, 'app', '.env'), '');
  await writeFile(join(root, 'app', 'package.json'), '');
  const hidden = ['app/var', 'app/.env', 'app/.env.local', 'gone'].map((path) => join(root, path));
  expect(pathsAround(hidden, root).toSorted()).toEqual(
    ['app/modules', 'app/package.json', 'other'].map((path) => join(root, path)),
  );
});

it('lists no link that leads to a hidden directory', async () => {
  const root = await realpath(await scratch());
  await mkdir(join(root, 'data', 'secret'), { recursive: true });
  await mkdir(join(root, 'free'));
  await symlink(join(root, 'data', 'secret'), join(root, 'to-secret'));
  await symlink(join(root, 'data'), join(root, 'to-parent'));
  await symlink(join(root, 'free'), join(root, 'to-free'));
  await symlink(join(root, 'nothing'), join(root, 'to-nothing'));
  expect(pathsAround([join(root, 'to-secret')], root).toSorted()).toEqual([
    join(root, 'free'),
    join(root, 'to-free'),
  ]);
});

it('lists everything when nothing is hidden', async () => {
  const root = await scratch();
  expect(pathsAround([join(root, 'gone')], root)).toEqual([root]);
});
