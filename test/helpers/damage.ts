import { open } from 'node:fs/promises';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';

/** Overwrites the root page of a table of a database, far behind the head of the file. Returns the function that does it. */
export function prepareDamage(file: string, table: string): () => Promise<void> {
  const [page, size] = withDatabase(file, { readOnly: true }, (database) => [
    Number(database.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').get(table)?.['rootpage']),
    Number(database.prepare('PRAGMA page_size').get()?.['page_size']),
  ]) as [number, number];
  return async () => {
    await using handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(size, 0xff), 0, size, (page - 1) * size);
  };
}
