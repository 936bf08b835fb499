import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { replaceFile } from './replace-file.ts';

it('keeps the content of the last call when calls for one file overlap', async () => {
  const directory = await scratch();
  const path = join(directory, 'state.json');
  const contents = Array.from({ length: 20 }, (_unused, index) => `state ${index}`);
  await Promise.all(contents.map((content) => replaceFile(path, content, { mode: 0o600, synced: true })));
  expect(await readFile(path, 'utf8')).toBe('state 19');
  expect(await readdir(directory)).toEqual(['state.json']);
});

it('writes a file after a call for it has failed', async () => {
  const directory = await scratch();
  const path = join(directory, 'state.json');
  const failing = replaceFile(join(directory, 'missing', 'state.json'), '', { mode: 0o600, synced: true });
  await expect(failing).rejects.toThrow('ENOENT');
  await replaceFile(path, 'state', { mode: 0o600, synced: false });
  expect(await readFile(path, 'utf8')).toBe('state');
});
