import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { copyDatabase } from './snapshot.ts';

it('copies a database again whose WAL is begun again during the copy', async () => {
  const root = await scratch();
  using writer = new DatabaseSync(join(root, 'data.db'));
  writer.exec(
    'PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (n INT, content BLOB)',
  );
  writer.exec('INSERT INTO t VALUES (0, randomblob(100000))');
  const write = (times: number) => {
    for (let time = 0; time < times; time += 1)
      writer.exec('UPDATE t SET n = n + 1, content = randomblob(100000)');
  };
  write(30);
  writer.exec('PRAGMA wal_checkpoint(PASSIVE)');
  let copies = 0;
  // A slow disk: the writer overtakes the copy.
  const overtaken = async (source: string, copy: string) => {
    if (!source.endsWith('-wal')) return copyFile(source, copy);
    copies += 1;
    const old = await readFile(source);
    if (copies === 1) write(20);
    const read = copies === 1 ? Math.floor(old.length / 3) : old.length;
    await writeFile(copy, Buffer.concat([old.subarray(0, read), (await readFile(source)).subarray(read)]));
  };
  const file = await copyDatabase(root, join(root, 'copy'), overtaken);
  using copied = new DatabaseSync(file, { readOnly: true });
  expect(copied.prepare('SELECT n FROM t').get()).toEqual({ n: 50 });
  expect(copies).toBe(2);
});
