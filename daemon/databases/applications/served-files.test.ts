import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { putFiles } from '../../../test/helpers/applications.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { assemble, pruneAssembled, servedPaths } from './assembled.ts';
import { readServedFiles } from './served-files.ts';

async function read(directory: string, names: string[] = ['shop']) {
  const applications = names.map((name) => ({
    name,
    directory: join(directory, name),
    manifest: null,
    isOwn: false,
  }));
  return readServedFiles(applications);
}

it('is null for applications with migrations only', async () => {
  const directory = await scratch();
  await putFiles(directory, { 'shop/migrations/1_a.js': '' });
  expect(await read(directory)).toBeNull();
});

it('assembles hooks with the name of their application, and other files where hooks load them', async () => {
  const directory = await scratch();
  await putFiles(directory, {
    'shop/hooks/main.pb.js': "cronAdd('x', '@daily', () => {});",
    'shop/hooks/lib/prices.js': 'module.exports = {};',
    'shop/hooks/lib/not-loaded.pb.js': '',
    'crm/hooks/main.pb.js': '',
    'crm/public/app.js': 'crm',
  });
  const served = await read(directory, ['shop', 'crm']);
  if (!served) throw new Error('nothing is served');
  expect(served).toMatchObject({ hasHooks: true, hasPublic: true, hasJobs: true });
  const assembledDir = join(directory, 'assembled');
  await assemble(assembledDir, served);
  await assemble(assembledDir, served);
  const { hooksDir, publicDir } = servedPaths(assembledDir, served);
  expect((await readdir(hooksDir ?? '')).toSorted()).toEqual(['_apps', '_fathom.pb.js', 'lib']);
  expect(await readFile(join(hooksDir ?? '', '_fathom.pb.js'), 'utf8')).toBe(
    'require(`${__hooks}/_apps/crm/main.pb.js`);\nrequire(`${__hooks}/_apps/shop/main.pb.js`);\n',
  );
  expect(await readFile(join(publicDir ?? '', 'app.js'), 'utf8')).toBe('crm');
  expect((await stat(join(hooksDir ?? '', '_apps', 'shop', 'main.pb.js'))).mode & 0o777).toBe(0o400);

  const recorded = vi.fn<() => Promise<Set<string>>>(() => Promise.resolve(new Set(['recorded'])));
  await pruneAssembled(assembledDir, new Set([served.hash]), recorded);
  expect(recorded).not.toHaveBeenCalled();
  for (const hash of ['recorded', 'unused']) await mkdir(join(assembledDir, hash));
  await pruneAssembled(assembledDir, new Set([served.hash]), recorded);
  expect((await readdir(assembledDir)).toSorted()).toEqual([served.hash, 'recorded'].toSorted());
});

it('has a hook for unknown paths of the API beside a page, also without hooks of applications', async () => {
  const directory = await scratch();
  await putFiles(directory, { 'shop/public/index.html': 'the shop' });
  const served = await read(directory);
  if (!served) throw new Error('nothing is served');
  expect(served).toMatchObject({ hasHooks: true, hasPublic: true, hookApplications: [] });
  await assemble(join(directory, 'assembled'), served);
  const { hooksDir } = servedPaths(join(directory, 'assembled'), served);
  expect(await readFile(join(hooksDir ?? '', '_fathom.pb.js'), 'utf8')).toContain(
    "'/api/{path...}', $apis.static(`${__hooks}/_fathom/none`",
  );
});

it('assembles nothing of files that change meanwhile', async () => {
  const directory = await scratch();
  await putFiles(directory, { 'shop/hooks/main.pb.js': 'one' });
  const served = await read(directory);
  await writeFile(join(directory, 'shop/hooks/main.pb.js'), 'two');
  if (!served) throw new Error('nothing is served');
  await expect(assemble(join(directory, 'assembled'), served)).rejects.toThrow('was changed while');
  expect(await readdir(join(directory, 'assembled'))).toEqual([]);
});

it.each(['_fathom/sign-in-limits.js', '_fathom.pb.js', '_apps/crm/main.pb.js'])(
  'refuses a file with a name of Fathom: %s',
  async (path) => {
    const directory = await scratch();
    await putFiles(directory, { [`shop/hooks/${path}`]: '' });
    await expect(read(directory)).rejects.toMatchObject({
      problem: { code: 'duplicate', file: `shop/hooks/${path}` },
    });
  },
);

it('refuses two applications with different files in one place', async () => {
  const directory = await scratch();
  await putFiles(directory, { 'shop/hooks/lib.js': '1', 'crm/hooks/lib.js': '1' });
  expect((await read(directory, ['shop', 'crm']))?.files).toHaveLength(1);
  await putFiles(directory, { 'crm/hooks/lib.js': '2' });
  await expect(read(directory, ['shop', 'crm'])).rejects.toMatchObject({ problem: { code: 'duplicate' } });
});

it.each([
  ['a file', 'public/secret', '.env'],
  ['a hook', 'hooks/main.pb.js', '.env'],
  ['the directory', 'public', 'secrets'],
  ['a directory in it', 'public/secrets', 'secrets'],
])('follows no symbolic link: %s', async (_what, link, target) => {
  const directory = await scratch();
  await putFiles(directory, {
    '.env': 'AES_MASTER_KEY=1',
    'secrets/key': '1',
    'shop/hooks/a.pb.js': '',
    'shop/public-is/x': '',
  });
  if (link.startsWith('public/')) await mkdir(join(directory, 'shop', 'public'));
  await symlink(join(directory, target), join(directory, 'shop', link));
  await expect(read(directory)).rejects.toMatchObject({
    problem: { code: 'unreadable', message: expect.stringContaining('symbolic link') as string },
  });
});

it('serves files with odd names, and no hidden ones except those of .well-known', async () => {
  const directory = await scratch();
  await putFiles(join(directory, 'shop/public'), {
    'ü <b>.html': 'a',
    'two\nlines.txt': 'b',
    '.env': 'AES_MASTER_KEY=1',
    '.well-known/security.txt': 'c',
    '.well-known/.env': 'AES_MASTER_KEY=1',
    'below/.well-known/security.txt': 'd',
  });
  expect((await read(directory))?.files.map(({ path }) => path)).toEqual([
    'public/.well-known/security.txt',
    'public/two\nlines.txt',
    'public/ü <b>.html',
  ]);
});

it('refuses a name that is not UTF-8', async () => {
  const directory = await scratch();
  await putFiles(directory, { 'shop/public/a.txt': 'a' });
  const name = Buffer.concat([Buffer.from(join(directory, 'shop/public/')), Buffer.from([0xff])]);
  await writeFile(name, 'b');
  await expect(read(directory)).rejects.toMatchObject({
    problem: { code: 'not_utf8', message: expect.stringContaining('rename the file') as string },
  });
});
