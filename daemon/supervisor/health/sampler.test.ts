import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { databaseUsage, directoryBytes } from './sampler.ts';

it('counts no files of requests in progress for the size of a database', async () => {
  const directory = await scratch();
  for (const name of ['pb_data', 'tmp', 'pb_data/tmp']) {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, 'file'), Buffer.alloc(64 * 1024));
  }
  const one = await directoryBytes(join(directory, 'tmp'));
  expect(one).toBeGreaterThan(0);
  expect(await directoryBytes(directory)).toBe(3 * one);
  expect(await databaseUsage(directory)).toEqual({ bytes: 2 * one, entries: 4 });
});
