import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import {
  addHook,
  hasHook,
  hasOtherHooks,
  hooksDirOf,
  prepareHooks,
  removeHook,
  removeOldHooks,
} from './instance-hooks.ts';

it('has a directory for each combination of hooks, with their parameters', async () => {
  const directory = await scratch();
  const spec = { directory, hooksDir: null };
  expect(hooksDirOf(spec)).toBeNull();
  expect(await prepareHooks(spec)).toBeNull();
  expect(existsSync(join(directory, 'hooks'))).toBe(false);

  await addHook(spec, 'refuse-writes', { code: 'over_disk' });
  const first = hooksDirOf(spec);
  expect(first).toBe(join(directory, 'hooks', 'refuse-writes@own'));
  expect(readdirSync(first ?? '').toSorted()).toEqual(['_fathom', '_fathom.pb.js']);
  expect(readdirSync(join(first ?? '', '_fathom')).toSorted()).toEqual([
    'full-database.js',
    'refuse-writes.json',
    'refuse-writes.pb.js',
  ]);

  await addHook(spec, 'limit-sign-ins', { per_account: 1 });
  const both = await prepareHooks(spec);
  expect(both).toBe(join(directory, 'hooks', 'limit-sign-ins+refuse-writes@own'));
  expect(readFileSync(join(both ?? '', '_fathom', 'limit-sign-ins.json'), 'utf8')).toBe('{"per_account":1}');
  // Changed parameters reach the running process.
  await addHook(spec, 'limit-sign-ins', { per_account: 2 });
  expect(readFileSync(join(both ?? '', '_fathom', 'limit-sign-ins.json'), 'utf8')).toBe('{"per_account":2}');

  await removeHook(directory, 'refuse-writes');
  expect(hasHook(directory, 'refuse-writes')).toBe(false);
  expect(hooksDirOf(spec)).toBe(join(directory, 'hooks', 'limit-sign-ins@own'));
  // The process that runs still reads its files.
  expect(existsSync(first ?? '')).toBe(true);
});

it('adds the hooks of applications, which are loaded after those of Fathom', async () => {
  const directory = await scratch();
  const assembled = join(directory, 'assembled', 'abc', 'hooks');
  await mkdir(join(assembled, 'lib'), { recursive: true });
  await writeFile(join(assembled, '_fathom.pb.js'), 'require(shop);\n');
  await writeFile(join(assembled, 'lib', 'prices.js'), '');
  const spec = { directory, hooksDir: assembled };
  expect(await prepareHooks(spec)).toBe(assembled);
  expect(hasOtherHooks(assembled, spec)).toBe(false);

  await addHook(spec, 'refuse-writes', { code: 'over_disk' });
  const target = hooksDirOf(spec) ?? '';
  expect(target).toBe(join(directory, 'hooks', 'refuse-writes@abc'));
  expect(readdirSync(target).toSorted()).toEqual(['_fathom', '_fathom.pb.js', 'lib']);
  expect(readFileSync(join(target, '_fathom.pb.js'), 'utf8')).toBe(
    'require(`${__hooks}/_fathom/refuse-writes.pb.js`);\nrequire(shop);\n',
  );
  expect(hasOtherHooks(assembled, spec)).toBe(true);

  // Hooks of earlier releases, and those of other sets of applications.
  await mkdir(join(directory, 'hooks', 'refuse-writes'));
  await mkdir(join(directory, 'hooks', 'refuse-writes@def'));
  await removeOldHooks(spec);
  expect(readdirSync(join(directory, 'hooks')).toSorted()).toEqual([
    'refuse-writes.json',
    'refuse-writes@abc',
  ]);
  await removeHook(directory, 'refuse-writes');
  expect(hooksDirOf(spec)).toBe(assembled);
});
