import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { addHook, hasHook, hooksDirOf, prepareHooks, removeHook } from './instance-hooks.ts';

it('has a directory for each combination of hooks, with their parameters', async () => {
  const directory = await scratch();
  expect(hooksDirOf(directory)).toBeNull();
  expect(await prepareHooks(directory)).toBeNull();
  expect(existsSync(join(directory, 'hooks'))).toBe(false);

  await addHook(directory, 'refuse-writes', { code: 'over_disk' });
  const first = hooksDirOf(directory);
  expect(first).toBe(join(directory, 'hooks', 'refuse-writes'));
  expect(readdirSync(first ?? '').toSorted()).toEqual(['refuse-writes.json', 'refuse-writes.pb.js']);

  await addHook(directory, 'limit-sign-ins', { per_account: 1 });
  const both = await prepareHooks(directory);
  expect(both).toBe(join(directory, 'hooks', 'limit-sign-ins+refuse-writes'));
  expect(readFileSync(join(both ?? '', 'limit-sign-ins.json'), 'utf8')).toBe('{"per_account":1}');
  // Changed parameters reach the running process.
  await addHook(directory, 'limit-sign-ins', { per_account: 2 });
  expect(readFileSync(join(both ?? '', 'limit-sign-ins.json'), 'utf8')).toBe('{"per_account":2}');

  await removeHook(directory, 'refuse-writes');
  expect(hasHook(directory, 'refuse-writes')).toBe(false);
  expect(hooksDirOf(directory)).toBe(join(directory, 'hooks', 'limit-sign-ins'));
  // The process that runs still reads its files.
  expect(existsSync(first ?? '')).toBe(true);
});
