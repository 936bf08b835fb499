import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { databaseUsage, directoryBytes } from './database-usage.ts';

it('counts no files of requests in progress for the size of a database', async () => {
  const directory = await scratch();
  for (const name of ['pb_data', 'tmp', 'pb_data/tmp']) {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, 'file'), Buffer.alloc(64 * 1024));
  }
  const one = await directoryBytes(join(directory, 'tmp'));
  expect(one).toBeGreaterThan(0);
  expect(await directoryBytes(directory)).toBe(3 * one);
  expect(await databaseUsage(directory)).toEqual({ bytes: 2 * one, entries: 4, unfinished: [] });
});

it('counts no copy of a rollout for the size of a database', async () => {
  const directory = await scratch();
  for (const name of ['pb_data', 'rollout']) {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, 'file'), Buffer.alloc(64 * 1024));
  }
  const { bytes } = await databaseUsage(directory);
  expect(bytes).toBe(await directoryBytes(join(directory, 'pb_data')));
});

it('counts data that was moved to another disk with a symbolic link', async () => {
  const [directory, disk] = [join(await scratch(), 'database'), await scratch()];
  await mkdir(join(directory, 'pb_data', 'storage'), { recursive: true });
  for (const name of ['data.db', 'storage/file']) {
    await writeFile(join(directory, 'pb_data', name), Buffer.alloc(64 * 1024));
  }
  const { bytes } = await databaseUsage(directory);
  await rename(join(directory, 'pb_data', 'storage'), join(disk, 'storage'));
  await symlink(join(disk, 'storage'), join(directory, 'pb_data', 'storage'));
  expect((await databaseUsage(directory)).bytes).toBe(bytes);
  await rename(join(directory, 'pb_data'), join(disk, 'pb_data'));
  await symlink(join(disk, 'pb_data'), join(directory, 'pb_data'));
  expect((await databaseUsage(directory)).bytes).toBe(bytes);
});
