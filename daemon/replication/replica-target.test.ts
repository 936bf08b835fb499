import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { prepareTarget, removeEmptyDirectory } from './replica-target.ts';

it('does not begin again in a directory that Litestream created at its end', async () => {
  const [target, dataDir] = [await scratch(), await scratch()];
  const host = join(target, 'host');
  const prepare = () => prepareTarget(target, { host: 'host', dataDir });
  const id = await prepare();
  await rename(host, `${host}.away`);
  await removeEmptyDirectory(target, 'host');
  await mkdir(host);
  await removeEmptyDirectory(target, 'host');
  await expect(prepare()).rejects.toThrow('not mounted');
  await mkdir(host);
  await writeFile(join(host, 'changes'), '');
  await removeEmptyDirectory(target, 'host');
  expect(existsSync(join(host, 'changes'))).toBe(true);
  await expect(prepare()).rejects.toThrow('not mounted');
  await rename(host, `${host}.other`);
  await rename(`${host}.away`, host);
  expect(await prepare()).toBe(id);
});
