import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { readApplicationSet } from './application-set.ts';
import { packageFiles } from './sources.ts';

const EMPTY = 'migrate(() => {});';

async function put(directory: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
}

/** Reads the applications of a directory, without those of the package. */
function readOnly(appDir: string, applications: string[] | null = null) {
  const none = join(appDir, 'none');
  return readApplicationSet({ migrationsDir: none, appsDir: none }, { appDir, applications });
}

const names = (set: { files: readonly { path: string }[] }) => set.files.map(({ path }) => path);

it('contains the documents and the accounts of every database', async () => {
  const appDir = await scratch();
  const { files, problem } = await readApplicationSet(packageFiles(), { appDir, applications: [] });
  expect(problem).toBeNull();
  expect(files.map(({ path, application }) => [path, application])).toEqual([
    ['1763700000_owner.js', 'fathom'],
    ['1763700001_documents.js', 'documents'],
  ]);
});

it('joins the migrations of all applications, or of those that are chosen, in the order of their names', async () => {
  const appDir = await scratch();
  await put(appDir, {
    'shop/app.json': '{"name":"shop","version":"1.0.0"}',
    'shop/migrations/1800000000_b.js': EMPTY,
    'notes/migrations/1700000000_a.js': EMPTY,
  });
  expect(names(await readOnly(appDir))).toEqual(['1700000000_a.js', '1800000000_b.js']);
  expect(names(await readOnly(appDir, ['documents', 'shop']))).toEqual(['1800000000_b.js']);
  expect((await readOnly(appDir, ['gone'])).problem?.message).toContain("the application 'gone' is chosen");
});

it.each([
  ['{"name":"shop"', 'it is not JSON'],
  ['[]', 'Must be an object'],
  ['{"version":"1.0.0"}', 'name: '],
  ['{"name":"shop","version":"one"}', 'version: write it like 1.2.0'],
  ['{"name":"shop","version":"1.0.0","description":7}', 'description: '],
  ['{"name":"shop","version":"1.0.0","pool":7}', 'There is no field pool'],
  ['{"name":"stall","version":"1.0.0"}', "name: it is 'stall', and the directory is named 'shop'"],
])('refuses the app.json %s, with the file and the field', async (text, why) => {
  const appDir = await scratch();
  await put(appDir, { 'shop/app.json': text });
  const { problem } = await readOnly(appDir);
  const path = join(appDir, 'shop', 'app.json');
  expect(problem).toMatchObject({ code: 'manifest', file: path });
  expect(problem?.message).toContain(`${path}: `);
  expect(problem?.message).toContain(why);
});

it.each([
  ['a pipe', (path: string) => execa('mkfifo', [path]), 'it is not a file'],
  [
    'a file that does not fit into memory',
    async (path: string) => {
      await writeFile(path, '');
      await truncate(path, 2 ** 40);
    },
    'it is larger than',
  ],
])('refuses %s', async (_what, create, why) => {
  const appDir = await scratch();
  const directory = join(appDir, 'notes', 'migrations');
  await mkdir(directory, { recursive: true });
  await create(join(directory, '1800000000_notes.js'));
  const { problem } = await readOnly(appDir);
  expect(problem).toMatchObject({
    code: 'unreadable',
    file: '1800000000_notes.js',
    message: expect.stringContaining(why) as string,
  });
});
