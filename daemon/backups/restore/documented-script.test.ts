import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { packageRoot } from '../../base/package.ts';
import { createRecoveryKey } from '../keys/recovery-key.ts';
import { ensureDataKey } from '../keys/stored-keys.ts';
import { DirectoryTarget } from '../targets/directory-target.ts';
import { writeBackup } from '../write-backup.ts';

const DATABASE = '2024-01-15-001-johndoe';
const MAX_LINES = 40;

/** The script as it is in the documentation. */
async function documentedScript(): Promise<string> {
  const page = await readFile(join(packageRoot(), 'docs', 'restore.md'), 'utf8');
  const [, script] = /^```js\n(.*?)^```$/ms.exec(page) ?? [];
  if (script === undefined) throw new Error('docs/restore.md has no script');
  return script;
}

async function hashesOf(directory: string): Promise<string[][]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    files.toSorted().map(async (file) => {
      const content = await readFile(file);
      return [file.slice(directory.length), createHash('sha256').update(content).digest('hex')];
    }),
  );
}

it('the script of the documentation restores a database with Node alone', async () => {
  const root = await scratch();
  const [dataDir, targetDir] = [join(root, 'pb_data'), join(root, 'target')];
  await mkdir(join(dataDir, 'storage', 'c', 'r'), { recursive: true });
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  database.exec('CREATE TABLE t (x BLOB)');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  for (let row = 0; row < 100; row += 1) insert.run(randomBytes(20_000));
  await writeFile(join(dataDir, 'storage', 'c', 'r', 'photo.bin'), randomBytes(700_000));
  await writeFile(join(dataDir, 'storage', 'c', 'r', 'empty.txt'), '');
  const { privateText, publicText } = createRecoveryKey();
  const target = new DirectoryTarget(targetDir);
  const masters = [{ id: 'abcd1234', key: randomBytes(32) }] as const;
  const key = await ensureDataKey(target, DATABASE, { masters, recovery: publicText });
  const back = async (minute: number) => {
    const source = { database: DATABASE, dataDir, scratchDir: join(root, 'scratch') };
    const now = new Date(Date.UTC(2024, 0, 15, 10, minute));
    return (await writeBackup(source, { target, key, previous: null, now })).backup.id;
  };
  const first = await back(0);
  const expected = await hashesOf(dataDir);
  database.exec('DELETE FROM t');
  await back(1);

  const script = await documentedScript();
  expect(script.trim().split('\n').length).toBeLessThanOrEqual(MAX_LINES);
  const [program, keyFile] = [join(root, 'restore.mjs'), join(root, 'key.txt')];
  await writeFile(program, script);
  await writeFile(keyFile, `${privateText}\n`);
  const restore = (directory: string, ...backup: string[]) =>
    execa(process.execPath, [program, targetDir, DATABASE, keyFile, directory, ...backup], { cwd: root });
  await restore(join(root, 'first'), first);
  expect(await hashesOf(join(root, 'first'))).toEqual(expected);
  await restore(join(root, 'last'));
  using last = new DatabaseSync(join(root, 'last', 'data.db'));
  expect(last.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 0 });
  // Nothing is replaced.
  await expect(restore(join(root, 'last'))).rejects.toThrow('EEXIST');
});
