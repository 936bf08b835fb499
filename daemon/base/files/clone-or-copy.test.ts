import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mayMount, mountTmpfs } from '../../../test/helpers/mounts.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { cloneOrCopy } from './clone-or-copy.ts';

it.skipIf(!mayMount)('refuses a copy that would leave too little space', async () => {
  const directory = await scratch();
  const disk = join(directory, 'disk');
  await mkdir(disk);
  await mountTmpfs(disk, 1);
  const [large, small] = [join(directory, 'large'), join(directory, 'small')];
  await writeFile(large, randomBytes(1_020_000));
  await writeFile(small, randomBytes(500_000));
  await expect(cloneOrCopy(large, join(disk, 'copy'))).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(await readdir(disk)).toEqual([]);
  await cloneOrCopy(small, join(disk, 'copy'));
  expect(await readFile(join(disk, 'copy'))).toEqual(await readFile(small));
});
