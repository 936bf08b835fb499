import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { Continuity } from './continuity.ts';

async function putDatabase(): Promise<string> {
  const file = join(await scratch(), 'data.db');
  const database = new DatabaseSync(file);
  onTestFinished(() => database.close());
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)');
  return file;
}

it('lets four databases at a time be stored whole, and the others wait', async () => {
  const continuity = new Continuity();
  const file = await putDatabase();
  continuity.noteUnproven(file);
  const storing = { continuesFrom: null, isWhole: true, syncedAt: null };
  const four = [storing, storing, storing, storing];
  expect(await continuity.begin(file, 'replica', four)).toBeNull();
  expect(continuity.isUnproven(file)).toBe(true);

  const stored = { ...storing, syncedAt: new Date() };
  expect(await continuity.begin(file, 'replica', [...four.slice(1), stored])).toEqual({
    continuesFrom: null,
    isWhole: true,
  });
  expect(continuity.isUnproven(file)).toBe(false);
});

it('does not let a database wait whose replica begins or goes on', async () => {
  const storing = { continuesFrom: null, isWhole: true, syncedAt: null };
  const four = [storing, storing, storing, storing];
  expect(await new Continuity().begin(await putDatabase(), 'replica', four)).toEqual({
    continuesFrom: null,
    isWhole: false,
  });
});

it('forgets databases that do not exist any more', async () => {
  const continuity = new Continuity();
  const [kept, removed] = [await putDatabase(), await putDatabase()];
  for (const file of [kept, removed]) continuity.noteUnproven(file);
  continuity.keepOnly(new Set([kept]));
  expect([kept, removed].map((file) => continuity.isUnproven(file))).toEqual([true, false]);
});
