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
  CREATE TRIGGER logs AFTER INSERT ON notes BEGIN INSERT INTO log VALUES (NEW.id); END;`;

async function databases(after: string): Promise<{ copy: DatabaseSync; newer: string }> {
  const directory = await scratch();
  const newer = join(directory, 'newer.db');
  const [copy, other] = [new DatabaseSync(join(directory, 'copy.db')), new DatabaseSync(newer)];
  onTestFinished(() => copy.close());
  copy.exec(BEFORE);
  other.exec(BEFORE);
  other.exec(after);
  other.close();
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
  expect(carryOver(copy, newer)).toEqual({ notes: 3, log: 1 });
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
