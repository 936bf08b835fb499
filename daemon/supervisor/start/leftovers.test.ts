import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { putFiles } from '../../../test/helpers/applications.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { findLeftovers } from './leftovers.ts';

it('finds what unfinished work has left in directories of databases', async () => {
  const databases = await scratch();
  const globalDir = await scratch();
  await putFiles(databases, { 'ann/pb_data/data.db': '', 'bob/archived.json': '{}', 'not-a-directory': '' });
  for (const left of ['bob/rollout', 'cid/restore/drill'])
    await mkdir(join(databases, left), { recursive: true });
  await mkdir(join(globalDir, 'drill'));

  const found = await findLeftovers(databases, [globalDir]);
  const expected = ['bob/rollout', 'bob/archived.json', 'cid/restore'].map((path) => join(databases, path));
  expect([...found].toSorted()).toEqual([...expected, join(globalDir, 'drill')].toSorted());
});

it('finds nothing before the first database', async () => {
  expect([...(await findLeftovers(join(await scratch(), 'none'), []))]).toEqual([]);
});
