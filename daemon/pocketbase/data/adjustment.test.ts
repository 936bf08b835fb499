import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { type Adjustment, adjustDatabase } from './adjustment.ts';

async function databaseFile(): Promise<string> {
  const file = join(await scratch(), 'data.db');
  const database = new DatabaseSync(file);
  database.exec('CREATE TABLE notes (text TEXT)');
  database.close();
  return file;
}

function notesIn(file: string): unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database
      .prepare('SELECT text FROM notes')
      .all()
      .map((row) => row['text']);
  } finally {
    database.close();
  }
}

/** Adds a note to the database. */
function note(text: string, fails?: (error: unknown) => void): Adjustment {
  return {
    isNeeded: (database) => !database.prepare('SELECT 1 FROM notes WHERE text = ?').get(text),
    apply: (database) => {
      database.prepare('INSERT INTO notes VALUES (?)').run(text);
      if (fails) throw new Error('not now');
    },
    onFailure: (error) => {
      if (!fails) throw error;
      fails(error);
    },
  };
}

it('applies each adjustment once', async () => {
  const file = await databaseFile();
  adjustDatabase(file, [note('a'), note('b')]);
  adjustDatabase(file, [note('a'), note('b')]);
  expect(notesIn(file)).toEqual(['a', 'b']);
});

it('rolls back an adjustment that fails, and applies the others', async () => {
  const file = await databaseFile();
  const errors: unknown[] = [];
  adjustDatabase(file, [note('a', (error) => errors.push(error)), note('b')]);
  expect(errors).toHaveLength(1);
  expect(notesIn(file)).toEqual(['b']);
});

it('reports a file that is not a database to every adjustment', async () => {
  const file = join(await scratch(), 'data.db');
  for (const content of ['', 'no database at all, in more bytes than the sign of one']) {
    await writeFile(file, content);
    const errors: unknown[] = [];
    const note1 = note('a', (error) => errors.push(error));
    adjustDatabase(file, [note1, note1]);
    expect(errors).toMatchObject([{ errcode: 26 }, { errcode: 26 }]);
  }
});

it('stops at a failure that blocks the start', async () => {
  const file = await databaseFile();
  const never: Adjustment = {
    ...note('a'),
    isNeeded: () => {
      throw new Error('not now');
    },
  };
  expect(() => adjustDatabase(file, [never, note('b')])).toThrow('not now');
  expect(notesIn(file)).toEqual([]);
});
