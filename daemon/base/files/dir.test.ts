import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { makeDirectory } from './dir.ts';

it('creates missing directories with mode 0700, also concurrently, and keeps existing ones', async () => {
  const directory = await scratch();
  mkdirSync(join(directory, 'existing'), { mode: 0o755 });
  const path = join(directory, 'existing', 'a', 'b');
  await Promise.all([makeDirectory(path), makeDirectory(path), makeDirectory(join(path, 'c'))]);
  const modes = ['existing', 'existing/a', 'existing/a/b', 'existing/a/b/c'].map(
    (name) => statSync(join(directory, name)).mode & 0o777,
  );
  expect(modes).toEqual([0o755, 0o700, 0o700, 0o700]);
  await makeDirectory(path);
});

it('fails with the reason where a directory cannot be created', async () => {
  const directory = await scratch();
  writeFileSync(join(directory, 'file'), '');
  await expect(makeDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectory(join(directory, 'file', 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
  // The code depends on the user: ENOENT for root, EACCES for others.
  await expect(makeDirectory('/proc/fathom/a')).rejects.toMatchObject({ path: '/proc/fathom' });
});
