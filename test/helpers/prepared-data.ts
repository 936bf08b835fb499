import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import { createLog } from '../../daemon/base/log/log.ts';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { packageFiles } from '../../daemon/databases/applications/sources.ts';
import { randomSecret, replaceCollectionSecrets } from '../../daemon/databases/owner/collection-secrets.ts';
import { TemplateStore } from '../../daemon/databases/provisioning/template.ts';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import { ChildProcessDriver } from '../../daemon/pocketbase/process/process-driver.ts';
import { testedPocketBase } from './tested-pocketbase.ts';

const PACKAGE = join(import.meta.dirname, '..', '..');
const GLOBAL_DATA = join('global', 'pb_data');
/** The least that bcrypt knows: the tests show who gets in, not how long a guess takes. */
const HASH_COST = 4;
/** Names the directory, for the processes in which the files are run. */
const VARIABLE = 'FATHOM_TEST_PREPARED';

/**
 * Before the first test, once per run: what the first start on an empty data directory makes that is the same in all of
 * them, migrated databases without users. PocketBase makes it, from the package's own migrations.
 */
export async function setup(): Promise<() => Promise<void>> {
  // As the daemon does.
  const before = process.umask(0o077);
  const prepared = await mkdtemp(join(tmpdir(), 'fathom-prepared-'));
  const binary = await verifyBinary(await testedPocketBase());
  const log = createLog({ level: 'error' });
  const driver = new ChildProcessDriver({
    fleetId: randomUUID(),
    clock: systemClock,
    sandboxes: { setting: 'auto', fleetDirectories: [prepared] },
  });
  await new TemplateStore({
    directory: join(prepared, 'templates'),
    assembledDir: join(prepared, 'assembled'),
    own: packageFiles(),
    applications: { appDir: join(prepared, 'apps'), applications: null },
    guard: {
      rateLimits: { enabled: true, rules: [], excludedIPs: [] },
      trustedProxy: { headers: [], useLeftmostIP: false },
    },
    binary,
    goodFile: 'good',
    driver,
    clock: systemClock,
    log,
  }).get();
  driver.close();
  const data = join(prepared, GLOBAL_DATA);
  await execa(binary.path, [
    'migrate',
    'up',
    `--dir=${data}`,
    `--migrationsDir=${join(PACKAGE, 'pb_migrations', 'global')}`,
    `--hooksDir=${join(PACKAGE, 'pb_hooks', 'global')}`,
    '--hooksWatch=false',
    '--automigrate=false',
    '--dev=false',
  ]);
  withDatabase(join(data, 'data.db'), { readOnly: false }, (database) => {
    hashCheaply(database);
    database.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  });
  process.umask(before);
  process.env[VARIABLE] = prepared;
  return () => rm(prepared, { recursive: true, force: true });
}

/** Gives an empty data directory what was prepared, with signing secrets of its own. */
export async function copyPrepared(dataDir: string): Promise<void> {
  const prepared = process.env[VARIABLE];
  // A benchmark or a script: there is no prepared data.
  if (prepared === undefined) return;
  await cp(prepared, dataDir, { recursive: true, mode: constants.COPYFILE_FICLONE });
  withDatabase(join(dataDir, GLOBAL_DATA, 'data.db'), { readOnly: false }, (database) =>
    replaceCollectionSecrets(database, randomSecret),
  );
}

function hashCheaply(database: DatabaseSync): void {
  const update = database.prepare('UPDATE _collections SET fields = ? WHERE id = ?');
  for (const { id, fields } of database
    .prepare("SELECT id, fields FROM _collections WHERE type = 'auth'")
    .all()) {
    const changed = (JSON.parse(String(fields)) as { type: string }[]).map((field) =>
      field.type === 'password' ? { ...field, cost: HASH_COST } : field,
    );
    update.run(JSON.stringify(changed), String(id));
  }
}
