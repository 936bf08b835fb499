import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { readMigrationSet } from './migration-set.ts';

it.each([
  ['a pipe', (path: string) => execa('mkfifo', [path]), 'it is not a file'],
  [
    'a file that does not fit into memory',
    async (path: string) => {
      await writeFile(path, '');
      await truncate(path, 2 ** 40);
    },
    'it is larger than',
  ],
])('refuses %s', async (_what, create, why) => {
  const appDir = await scratch();
  const directory = join(appDir, 'notes', 'migrations');
  await mkdir(directory, { recursive: true });
  await create(join(directory, '1800000000_notes.js'));
  const { problem } = await readMigrationSet(join(appDir, 'none'), { appDir, applications: null });
  expect(problem).toMatchObject({
    code: 'unreadable',
    file: '1800000000_notes.js',
    message: expect.stringContaining(why) as string,
  });
});
