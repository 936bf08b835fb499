import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bareInstance } from '../../../test/helpers/bare-instance.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { verifyBinary } from '../../pocketbase/binary/binary.ts';
import { readMigrations, writeMigrationSet } from './migration-files.ts';
import { migrateScratch } from './scratch.ts';

it('ends and names a migration that does not end', async () => {
  const endless = {
    '1_loops.js': 'migrate((app) => { for (;;) {} });',
    // With 200 rows or more PocketBase hangs, up to 0.40.3.
    '1_logs.js': "migrate((app) => { for (let i = 0; i < 500; i++) app.logger().info('row'); });",
  };
  const { path: binary } = await verifyBinary(null);
  const { driver } = await bareInstance();
  const tries = Object.entries(endless).map(async ([name, text]) => {
    const directory = await scratch();
    await mkdir(join(directory, 'apps', 'a', 'migrations'), { recursive: true });
    await writeFile(join(directory, 'apps', 'a', 'migrations', name), text);
    const files = await readMigrations('a', join(directory, 'apps', 'a', 'migrations'));
    const migrationsDir = join(directory, 'migrations');
    await writeMigrationSet(files, migrationsDir);
    const run = {
      driver,
      binary,
      dataDir: join(directory, 'pb_data'),
      migrationsDir,
      environment: {},
      timeoutMs: 2_000,
    };
    await expect(migrateScratch(run, files)).rejects.toMatchObject({
      problem: { code: 'timed_out', file: name },
    });
  });
  await Promise.all(tries);
});
