import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { PhaseReason } from '../../../shared/instance.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, deadline } from '../../base/time/clock.ts';
import { inTransaction, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { shortenTypesFile } from '../../pocketbase/data/types-file.ts';
import type { InstanceLog } from '../../pocketbase/logs/instance-log.ts';
import { type InstanceCommand, LOCKED_EXIT_CODE } from '../../pocketbase/process/command.ts';
import { describeFailure, migrationFailure } from '../../pocketbase/process/migrate.ts';
import {
  type InstanceProcess,
  type ProcessDriver,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import { hasUnrecorded, pendingMigrations, recordApplied } from '../migrations/applied.ts';
import {
  type Access,
  enforceOwnership,
  hasOpenUsers,
  needsEnforcement,
  type Ownership,
  readAccess,
} from '../owner/ownership.ts';
import type { Template } from './template.ts';

/** Of a large database: those that take longer are rolled back. */
const MIGRATE_TIMEOUT_MS = 120_000;
const LOG_TAIL_LINES = 50;
/** Who had access before migrations that are under way; a daemon that dies meanwhile leaves it to the next start. */
const BEFORE_TABLE = '_fathom_access_before';

export interface MigrationRun {
  name: string;
  dataDir: string;
  lockFile: string;
  binary: string;
  environment: Record<string, string>;
  instanceLog: InstanceLog;
  ownerId: string;
  template: Template;
  /** Called only if migrations are pending: each start brings the settings up to date after them anyway. */
  beforeMigrating: () => void;
  driver: ProcessDriver;
  clock: Clock;
  log: Logger;
}

/**
 * Applies what a database has not applied yet, before it is started: what migrations did to its accounts is set right by
 * `prepareDatabase` before anybody can sign in.
 *
 * @returns why it runs without them; null when it has them all
 * @throws the error of SQLite, or of starting a process
 */
export async function applyMigrations(run: MigrationRun, signal: AbortSignal): Promise<PhaseReason | null> {
  const file = join(run.dataDir, 'data.db');
  const { files } = run.template;
  if (!existsSync(file)) return null;
  const open = withDatabase(file, { readOnly: true }, (database) => ({
    pending: hasTable(database, '_migrations') ? pendingMigrations(database, files) : [],
    unrecorded: hasTable(database, '_migrations') && hasUnrecorded(database, files),
  }));
  if (open.pending.length > 0) {
    run.beforeMigrating();
    change(file, (database) => keepAccessBefore(database, run.ownerId));
    const reason = await migrate(run, open.pending, signal);
    if (reason) return reason;
  }
  if (open.pending.length > 0 || open.unrecorded) change(file, (database) => recordApplied(database, files));
  return null;
}

/**
 * Brings the accounts in a database that does not run to what Fathom promises.
 *
 * @throws the error of SQLite: started as it is, it could be open to others
 */
export function prepareDatabase(dataDir: string, ownership: Ownership): string[] {
  const file = join(dataDir, 'data.db');
  if (!existsSync(file)) return [];
  shortenTypesFile(dataDir);
  const isFine = withDatabase(file, { readOnly: true }, (database) =>
    hasTable(database, '_collections')
      ? !hasTable(database, BEFORE_TABLE) && !needsEnforcement(database, ownership)
      : true,
  );
  if (isFine) return [];
  return change(file, (database) => {
    const before = accessBefore(database);
    const changes = enforceOwnership(database, ownership, before);
    database.exec(`DROP TABLE IF EXISTS ${BEFORE_TABLE}`);
    return changes;
  });
}

/** Whether its accounts are open to others, as an earlier release let migrations do; its start sets that right. */
export function isOpenToOthers(dataDir: string): boolean {
  try {
    return withDatabase(join(dataDir, 'data.db'), { readOnly: true }, hasOpenUsers);
  } catch {
    // What is wrong with its files is found by its probes.
    return false;
  }
}

async function migrate(
  run: MigrationRun,
  pending: readonly string[],
  signal: AbortSignal,
): Promise<PhaseReason | null> {
  const { instanceLog, clock, log, name } = run;
  const logStart = await instanceLog.end();
  const process = await run.driver.spawn(commandOf(run));
  const outcome = await waitFor(process, clock, signal);
  // Somebody else runs on it: its start says so.
  if (outcome === 'aborted' || (await process.exited).code === LOCKED_EXIT_CODE) return null;
  const lines = await instanceLog.tail(LOG_TAIL_LINES, logStart);
  const failure = outcome === 'late' ? null : migrationFailure(lines.join('\n'));
  if (!failure && outcome === 'ended' && hasApplied(run, pending)) {
    log.info({ instance: name, migrations: pending }, 'applied migrations');
    return null;
  }
  const late = `did not end within ${MIGRATE_TIMEOUT_MS / 1000} s`;
  const why = failure
    ? describeFailure(failure)
    : outcome === 'late'
      ? late
      : (lines.at(-1) ?? 'no reason given');
  return {
    code: failure?.code ?? 'migration_failed',
    message: `it runs without ${pending.join(', ')}: ${why}; correct the cause, then run 'fathomd databases start ${name}'`,
    log_tail: lines,
  };
}

function hasApplied({ dataDir, template }: MigrationRun, pending: readonly string[]): boolean {
  return withDatabase(join(dataDir, 'data.db'), { readOnly: true }, (database) => {
    const still = pendingMigrations(database, template.files);
    return !pending.some((file) => still.includes(file));
  });
}

function commandOf(run: MigrationRun): InstanceCommand {
  return {
    mode: 'migrate',
    name: run.name,
    binary: run.binary,
    dataDir: run.dataDir,
    lockFile: run.lockFile,
    logFile: run.instanceLog.path,
    host: '127.0.0.1',
    port: 0,
    migrationsDir: run.template.migrationsDir,
    hooksDir: null,
    hooksPool: 1,
    environment: run.environment,
  };
}

/** Ends it when it takes too long, or when nobody waits any more: what it did is rolled back then. */
async function waitFor(
  process: InstanceProcess,
  clock: Clock,
  signal: AbortSignal,
): Promise<'ended' | 'late' | 'aborted'> {
  const gone = watchExit(process);
  const tooLong = deadline(clock, MIGRATE_TIMEOUT_MS);
  const ended = AbortSignal.any([gone.signal, tooLong.signal, signal]);
  if (!ended.aborted) {
    await new Promise((resolve) => ended.addEventListener('abort', resolve, { once: true }));
  }
  tooLong.cancel();
  if (gone.exit()) return 'ended';
  process.signal('SIGKILL');
  await process.exited;
  return signal.aborted ? 'aborted' : 'late';
}

function keepAccessBefore(database: DatabaseSync, ownerId: string): void {
  // Of migrations that were interrupted, what was before the first of them counts.
  if (hasTable(database, BEFORE_TABLE)) return;
  database.exec(`CREATE TABLE ${BEFORE_TABLE} (value TEXT NOT NULL)`);
  database
    .prepare(`INSERT INTO ${BEFORE_TABLE} VALUES (?)`)
    .run(JSON.stringify(readAccess(database, ownerId)));
}

function accessBefore(database: DatabaseSync): Access | null {
  if (!hasTable(database, BEFORE_TABLE)) return null;
  const row = database.prepare(`SELECT value FROM ${BEFORE_TABLE}`).get();
  return row ? (JSON.parse(String(row['value'])) as Access) : null;
}

function hasTable(database: DatabaseSync, name: string): boolean {
  return (
    database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined
  );
}

function change<T>(file: string, work: (database: DatabaseSync) => T): T {
  return withDatabase(file, { readOnly: false }, (database) => inTransaction(database, () => work(database)));
}
