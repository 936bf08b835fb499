import { copyFileSync, existsSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { withDatabase } from './sqlite.ts';

it('refuses an empty file and keeps the WAL beside it', async () => {
  const directory = await scratch();
  const [file, emptied] = [join(directory, 'data.db'), join(directory, 'emptied.db')];
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE kept (value TEXT)');
  copyFileSync(file, emptied);
  copyFileSync(`${file}-wal`, `${emptied}-wal`);
  database.close();
  truncateSync(emptied);

  for (const readOnly of [true, false]) {
    expect(() =>
      withDatabase(emptied, { readOnly }, (opened) => opened.prepare('SELECT * FROM sqlite_master').all()),
    ).toThrow(expect.objectContaining({ errcode: 26 }));
  }
  expect(existsSync(`${emptied}-wal`)).toBe(true);
});
