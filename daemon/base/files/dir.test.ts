import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { makeDirectory } from './dir.ts';

it('makes what is missing of a path for its owner alone, also twice at once, and leaves what is there', async () => {
  const directory = await scratch();
  mkdirSync(join(directory, 'there'), { mode: 0o755 });
  const path = join(directory, 'there', 'a', 'b');
  await Promise.all([makeDirectory(path), makeDirectory(path), makeDirectory(join(path, 'c'))]);
  const modes = ['there', 'there/a', 'there/a/b', 'there/a/b/c'].map(
    (name) => statSync(join(directory, name)).mode & 0o777,
  );
  expect(modes).toEqual([0o755, 0o700, 0o700, 0o700]);
  await makeDirectory(path);
});

it('gives up where a directory cannot be made, with the reason', async () => {
  const directory = await scratch();
  writeFileSync(join(directory, 'file'), '');
  await expect(makeDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectory(join(directory, 'file', 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
  // Root is told ENOENT there, everybody else EACCES.
  await expect(makeDirectory('/proc/fathom/a')).rejects.toMatchObject({ path: '/proc/fathom' });
});
