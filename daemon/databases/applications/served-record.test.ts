import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import type { Served } from './served-files.ts';
import { nextRecord, readServedRecord, servedHashes, writeServedRecord } from './served-record.ts';

const served = (hash: string): Served => ({
  hash,
  hasHooks: true,
  hasPublic: false,
  hasJobs: false,
  hookApplications: ['shop'],
});
const template = (set: string, hash: string | null) => ({
  hash: set,
  served: hash === null ? null : served(hash),
});

it('does not exist in a database that never had hooks', () => {
  expect(nextRecord(null, template('1', null), null)).toBeNull();
});

it('follows the set, remembers the one before, and goes back when a rollout took the set back', () => {
  const first = nextRecord(null, template('1', 'a'), null);
  expect(first).toEqual({ set: '1', served: served('a'), before: null });
  expect(nextRecord(first, template('1', 'a'), null)).toBeNull();
  const second = nextRecord(first, template('2', null), null);
  expect(second).toEqual({ set: '2', served: null, before: { set: '1', served: served('a') } });
  const back = nextRecord(second, template('2', null), '2');
  expect(back).toEqual({ set: '1', served: served('a'), before: null });
  expect(nextRecord(back, template('2', null), '2')).toBeNull();
  // Another set is used again.
  expect(nextRecord(back, template('3', 'c'), '2')).toMatchObject({ set: '3', served: served('c') });
});

it('names the applications of a record of an earlier release', () => {
  const { hookApplications: _names, ...unnamed } = served('a');
  const before = { set: '0', served: null };
  const old = { set: '1', served: unnamed, before };
  expect(nextRecord(old, template('1', 'a'), null)).toEqual({ set: '1', served: served('a'), before });
});

it('takes the hooks of the first set back as well', () => {
  const first = nextRecord(null, template('1', 'a'), null);
  expect(nextRecord(first, template('1', 'a'), '1')).toMatchObject({ served: null });
});

it('names the files that are kept', async () => {
  const directory = await scratch();
  expect(readServedRecord(join(directory, 'x'))).toBeNull();
  await mkdir(join(directory, 'x'));
  await mkdir(join(directory, 'y'));
  await writeServedRecord(join(directory, 'x'), {
    set: '2',
    served: served('b'),
    before: { set: '1', served: served('a') },
  });
  await writeFile(join(directory, 'y', 'applications.json'), '{"set":');
  expect(readServedRecord(join(directory, 'y'))).toBeNull();
  expect(await servedHashes(directory)).toEqual(new Set(['a', 'b']));
  expect(await servedHashes(join(directory, 'none'))).toEqual(new Set());
});
