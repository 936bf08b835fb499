import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { incompleteReason } from './incomplete-files.ts';

let dataDir: string;
let file: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'fathom-data-'));
  file = join(dataDir, 'data.db');
  using database = new DatabaseSync(file);
  database.exec('CREATE TABLE t (x)');
  for (let row = 0; row < 20; row += 1) database.exec(`INSERT INTO t VALUES (zeroblob(4000))`);
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const after = (ms: number) => new Date(Math.max(statSync(file).ctimeMs, Date.now()) + ms);

it('waits until the files have not changed for a while', () => {
  expect(incompleteReason(dataDir, after(5_000))).toMatchObject({ code: 'data_dir_missing' });
  expect(incompleteReason(dataDir, after(11_000))).toBeNull();
});

it('a file that was copied in part is not complete, also when it no longer changes', () => {
  truncateSync(file, statSync(file).size - 4096);
  expect(incompleteReason(dataDir, after(60_000))).toMatchObject({
    code: 'data_dir_missing',
    message: expect.stringContaining('4096 bytes'),
  });
});

it('a WAL may complete a shorter database', () => {
  using database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; INSERT INTO t VALUES (1)');
  copyFileSync(`${file}-wal`, `${file}.kept`);
  database.close();
  copyFileSync(`${file}.kept`, `${file}-wal`);
  truncateSync(file, statSync(file).size - 4096);
  expect(existsSync(`${file}-wal`)).toBe(true);
  expect(incompleteReason(dataDir, after(60_000))).toBeNull();
});
