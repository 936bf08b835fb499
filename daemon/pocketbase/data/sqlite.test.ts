import { copyFileSync, existsSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { withDatabase, writeStamp } from './sqlite.ts';

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

it('changes the stamp of a database when it is written, not when it is read', async () => {
  const file = join(await scratch(), 'data.db');
  using database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE notes (value TEXT)');
  const created = writeStamp(file);
  // As root, SQLite sets the owner of the WAL at each open, which changes the ctime.
  const before = statSync(`${file}-wal`, { bigint: true }).ctimeNs;
  expect(
    withDatabase(file, { readOnly: true }, (opened) => opened.prepare('SELECT * FROM notes').all()),
  ).toEqual([]);
  if (process.geteuid?.() === 0) expect(statSync(`${file}-wal`, { bigint: true }).ctimeNs).not.toBe(before);
  expect(writeStamp(file)).toBe(created);
  database.exec("INSERT INTO notes VALUES ('first')");
  expect(writeStamp(file)).not.toBe(created);
});

it('keeps the stamp of a database that is not open when it is read', async () => {
  const file = join(await scratch(), 'data.db');
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE notes (value TEXT)');
  // Removes the WAL, as PocketBase does after some minutes without use.
  database.close();
  const closed = writeStamp(file);
  withDatabase(file, { readOnly: true }, (opened) => opened.prepare('SELECT * FROM notes').all());
  expect(existsSync(`${file}-wal`)).toBe(true);
  expect(writeStamp(file)).toBe(closed);
});
