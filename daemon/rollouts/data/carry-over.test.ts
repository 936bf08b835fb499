import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { carryOver } from './carry-over.ts';

const BEFORE = `
  CREATE TABLE _collections (id TEXT PRIMARY KEY);
  INSERT INTO _collections VALUES ('before');
  CREATE TABLE notes (id TEXT PRIMARY KEY, title TEXT DEFAULT '' NOT NULL, old TEXT DEFAULT 'none' NOT NULL);
  CREATE UNIQUE INDEX titles ON notes (title);
  INSERT INTO notes VALUES ('1', 'one', 'kept'), ('2', 'two', 'kept'), ('3', 'three', 'kept');
  CREATE TABLE gone (id TEXT PRIMARY KEY);
  INSERT INTO gone VALUES ('1');
  CREATE TABLE log (id TEXT);
  CREATE VIRTUAL TABLE words USING fts5(title);
  INSERT INTO words VALUES ('one');
  CREATE TRIGGER logs AFTER INSERT ON notes BEGIN INSERT INTO log VALUES (NEW.id); END;`;

/** @param prepare for both files, after `BEFORE` */
async function databases(
  after: string,
  prepare: (database: DatabaseSync) => void = () => {},
): Promise<{ copy: DatabaseSync; newer: string }> {
  const directory = await scratch();
  const [file, newer] = [join(directory, 'copy.db'), join(directory, 'newer.db')];
  for (const path of [file, newer]) {
    const database = new DatabaseSync(path);
    database.exec(BEFORE);
    prepare(database);
    if (path === newer) database.exec(after);
    database.close();
  }
  const copy = new DatabaseSync(file);
  onTestFinished(() => copy.close());
  return { copy, newer };
}

const rows = (database: DatabaseSync, sql: string) =>
  database
    .prepare(sql)
    .all()
    .map((row) => Object.values(row).join(' '));

it('brings changed, new and deleted rows into a copy with another schema', async () => {
  const { copy, newer } = await databases(`
    INSERT INTO _collections VALUES ('after');
    DROP TABLE gone;
    ALTER TABLE notes DROP COLUMN old;
    ALTER TABLE notes ADD COLUMN extra TEXT;
    UPDATE notes SET title = 'x' WHERE id = '1';
    UPDATE notes SET title = 'one' WHERE id = '2';
    DELETE FROM notes WHERE id = '3';
    INSERT INTO notes VALUES ('4', 'three', 'new');
    CREATE TABLE added (id TEXT)`);
  expect(carryOver(copy, newer)).toEqual({ notes: 3, log: 1, words: 1 });
  expect(rows(copy, 'SELECT id, title, old FROM notes ORDER BY id')).toEqual([
    '1 x kept',
    '2 one kept',
    '4 three none',
  ]);
  // What the new version dropped, and its schema.
  expect(rows(copy, 'SELECT id FROM gone')).toEqual(['1']);
  expect(rows(copy, 'SELECT id FROM _collections')).toEqual(['before']);
  // The trigger is there, and its rows are those of the newer database.
  expect(rows(copy, 'SELECT id FROM log')).toEqual(['4']);
  copy.exec("INSERT INTO notes (id, title) VALUES ('5', 'five')");
  expect(rows(copy, 'SELECT id FROM log')).toEqual(['4', '5']);
});

it('changes nothing when the rows do not fit', async () => {
  const { copy, newer } = await databases(
    "DROP INDEX titles; INSERT INTO notes (id, title) VALUES ('4', 'one')",
  );
  expect(() => carryOver(copy, newer)).toThrow(/UNIQUE/);
  expect(rows(copy, 'SELECT id FROM notes ORDER BY id')).toEqual(['1', '2', '3']);
});

it('keeps row ids, and the rows of a full-text index', async () => {
  const { copy, newer } = await databases(`
    DELETE FROM notes WHERE id = '1';
    ALTER TABLE notes DROP COLUMN old;
    INSERT INTO words (rowid, title) VALUES (7, 'sunrise');
    DELETE FROM words WHERE title = 'one'`);
  expect(carryOver(copy, newer)).toMatchObject({ notes: 2, words: 1 });
  expect(rows(copy, 'SELECT rowid, id FROM notes ORDER BY rowid')).toEqual(['2 2', '3 3']);
  expect(rows(copy, "SELECT rowid, title FROM words WHERE words MATCH 'sunrise OR one'")).toEqual([
    '7 sunrise',
  ]);
  copy.exec("INSERT INTO words (words) VALUES ('integrity-check')");
});

it('runs nothing that a changed file has after a trigger', async () => {
  const directory = await scratch();
  const other = join(directory, 'other.db');
  new DatabaseSync(other).exec('CREATE TABLE users (id)');
  const trigger = `CREATE TRIGGER later AFTER INSERT ON notes BEGIN SELECT 1; END;
    ATTACH DATABASE '${other}' AS other; INSERT INTO other.users VALUES ('intruder')`;
  const { copy, newer } = await databases('', (database) => {
    database.enableDefensive(false);
    database.exec('PRAGMA writable_schema = ON');
    const insert = "INSERT INTO sqlite_schema VALUES ('trigger', 'later', 'notes', 0, ?)";
    database.prepare(insert).run(trigger);
  });
  carryOver(copy, newer);
  expect(rows(new DatabaseSync(other), 'SELECT id FROM users')).toEqual([]);
});
