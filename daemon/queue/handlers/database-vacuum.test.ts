import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { handle } from './database-vacuum.ts';

function createDatabase(path: string): void {
  using database = new DatabaseSync(path);
  database.exec(
    `PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(200000)); DELETE FROM t`,
  );
}

const vacuum = (dataDir: string) =>
  handle(null, { dataDir, progress: () => {}, signal: new AbortController().signal });

it('frees the space of deleted rows, and creates no missing file', async () => {
  const dataDir = await scratch();
  createDatabase(join(dataDir, 'data.db'));
  expect(vacuum(dataDir).freed_bytes).toBeGreaterThan(190_000);
  expect(readdirSync(dataDir)).toEqual(['data.db']);
});

const UNSAFE = expect.objectContaining({ code: 'instance.failed' }) as Error;

it('refuses a link in place of a file', async () => {
  const [dataDir, other] = [await scratch(), join(await scratch(), 'data.db')];
  createDatabase(other);
  const before = readFileSync(other);
  symlinkSync(other, join(dataDir, 'data.db'));
  expect(() => vacuum(dataDir)).toThrow(UNSAFE);
  expect(readFileSync(other).equals(before)).toBe(true);
});

it('does not wait for named pipes', async () => {
  const dataDir = await scratch();
  createDatabase(join(dataDir, 'data.db'));
  execFileSync('mkfifo', [join(dataDir, 'auxiliary.db')]);
  expect(vacuum(dataDir).freed_bytes).toBeGreaterThan(190_000);
  execFileSync('mkfifo', [join(dataDir, 'data.db-wal')]);
  expect(() => vacuum(dataDir)).toThrow(UNSAFE);
});
