import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';

const ROUNDS = 6;

/** Ends threads at random points of a backup, in a process of its own: what goes wrong ends all of it. */
const PROGRAM = `
  import { rm } from 'node:fs/promises';
  import { BackupThreads } from ${JSON.stringify(join(import.meta.dirname, 'backup-threads.ts'))};
  const [root] = process.argv.slice(2);
  const keys = { masters: [{ id: 'abcd1234', key: Buffer.alloc(32) }], recovery: null };
  const target = root + '/target';
  const prepare = { kind: 'prepare', target, expected: null, keys, secrets: {}, rewrap: false };
  let interrupted = 0;
  for (let round = 0; round < ${ROUNDS}; round += 1) {
    const threads = new BackupThreads(3);
    await threads.run(prepare);
    const backups = ['a', 'b', 'c'].map((database) =>
      threads
        .run({
          kind: 'backup',
          target,
          keys,
          source: { database, dataDir: root + '/pb_data', scratchDir: root + '/scratch/' + database },
          at: new Date(),
        })
        .catch(() => { interrupted += 1; }),
    );
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
    await threads.close();
    await Promise.all(backups);
    await rm(target + '/chunks', { recursive: true, force: true });
  }
  console.log(interrupted);
`;

it('ends threads in the middle of their work, and nothing else', async () => {
  const root = await scratch();
  await mkdir(join(root, 'pb_data'));
  using database = new DatabaseSync(join(root, 'pb_data', 'data.db'));
  database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(8000000))');
  const file = join(root, 'end-threads.mjs');
  await writeFile(file, PROGRAM);
  const program = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  program.stdout.on('data', (data: Buffer) => {
    output += String(data);
  });
  expect(await once(program, 'close')).toEqual([0, null]);
  expect(Number(output)).toBeGreaterThan(0);
});
