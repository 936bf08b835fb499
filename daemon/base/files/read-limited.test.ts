import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { readLimited } from './read-limited.ts';

it('reads files up to a size, also through a link', async () => {
  const directory = await scratch();
  const [file, link] = [join(directory, 'file'), join(directory, 'link')];
  await writeFile(file, 'text');
  await symlink(file, link);
  expect(String(await readLimited(link, 4))).toBe('text');
  await expect(readLimited(file, 3)).rejects.toThrow('larger than 3 bytes');
  await writeFile(file, '');
  expect(await readLimited(file, 4)).toHaveLength(0);
});

it('reads nothing else', async () => {
  const directory = await scratch();
  const pipe = join(directory, 'pipe');
  await execa('mkfifo', [pipe]);
  await mkdir(join(directory, 'directory'));
  const link = join(directory, 'link');
  await symlink('/dev/zero', link);
  for (const path of [pipe, link, join(directory, 'directory')])
    await expect(readLimited(path, 4)).rejects.toThrow('it is not a file');
  await expect(readLimited(join(directory, 'none'), 4)).rejects.toMatchObject({ code: 'ENOENT' });
});
