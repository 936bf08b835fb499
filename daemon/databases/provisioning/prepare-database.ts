import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, deadline, unlessAborted } from '../../base/time/clock.ts';
import {
  type Adjustment,
  adjustDatabase,
  applyAdjustments,
  neededAdjustments,
} from '../../pocketbase/data/adjustment.ts';
import {
  isRefusedAfter,
  OlderVersion,
  readLastVersion,
  recordLastVersion,
  writeLastVersion,
} from '../../pocketbase/data/last-version.ts';
import {
  hasTable,
  inTransaction,
  throwUnlessUnreadable,
  withDatabase,
} from '../../pocketbase/data/sqlite.ts';
import { shortenTypesFile } from '../../pocketbase/data/types-file.ts';
import type { InstanceLog } from '../../pocketbase/logs/instance-log.ts';
import { type InstanceCommand, LOCKED_EXIT_CODE } from '../../pocketbase/process/command.ts';
import { describeFailure, migrationFailure } from '../../pocketbase/process/migrate.ts';
import {
  type InstanceProcess,
  type ProcessDriver,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import { readNeededHooks } from '../applications/needed-hooks.ts';
import { hasUnrecorded, pendingMigrations, recordApplied } from '../migrations/applied.ts';
import {
  type Access,
  enforceOwnership,
  hasOpenUsers,
  needsEnforcement,
  type Ownership,
  readAccess,
  removeTriggers,
} from '../owner/ownership.ts';
import type { Template } from './clone.ts';

/** Timeout of migrations of a large database; after it they are rolled back. */
const MIGRATE_TIMEOUT_MS = 120_000;
const LOG_TAIL_LINES = 50;
/** Table with the access before running migrations. After a crash of the daemon, the next start uses it. */
const ACCESS_TABLE = '_fathom_access_before';

export interface Preparation {
  name: string;
  dataDir: string;
  lockFile: string;
  binary: string;
  version: string;
  /** Its version was chosen for this database, so it must not be older than the one that ran last. */
  isPinned: boolean;
  environment: Record<string, string>;
  instanceLog: InstanceLog;
  /** Null when no valid set of migrations exists. */
  template: Template | null;
  /** The hash of a set of migrations that it does not apply; null without one. */
  heldMigrations: string | null;
  ownership: Ownership;
  /** Writes the owner's account; null when the account is unknown. */
  account: Adjustment | null;
  settings: Adjustment;
  driver: ProcessDriver;
  clock: Clock;
  log: Logger;
}

export interface Prepared {
  /** Why it runs without migrations; null when all are applied. */
  reason: PhaseReason | null;
  /** See `readNeededHooks`. */
  neededHooks: readonly string[] | null;
}

/** A preparation with migrations to apply. */
type MigrationRun = Preparation & { template: Template };

/**
 * Prepares a database for its start: applies migrations, and then corrects accounts and settings, which migrations may have
 * changed.
 *
 * @throws the error of SQLite: without the corrections the database could be open to others; or that of starting a process;
 * OlderVersion
 */
export async function prepareDatabase(run: Preparation, signal: AbortSignal): Promise<Prepared> {
  const file = fileOf(run);
  if (!existsSync(file)) return { reason: null, neededHooks: null };
  if (run.account?.ready) await unlessAborted(run.account.ready(), signal);
  if (signal.aborted) return { reason: null, neededHooks: null };
  const adjustments = [...createAdjustments(run), recordLastVersion(run.version)];
  const { pending, needed, neededHooks } = inspect(file, run, adjustments);
  if (!run.template || pending.length === 0 || isHeld(run)) {
    shortenTypesFile(run.dataDir);
    applyAdjustments(file, needed);
    return { reason: pending.length === 0 ? null : heldReason(run.name, pending), neededHooks };
  }
  let reason: PhaseReason | null = null;
  try {
    change(file, (database) => {
      removeTriggers(database);
      writeLastVersion(database, run.version);
      storeAccess(database, run.ownership.ownerId);
    });
    // PocketBase reads the settings with the current key.
    adjustDatabase(file, [run.settings]);
    reason = await migrate({ ...run, template: run.template }, pending, signal);
  } catch (error) {
    throwUnlessUnreadable(error);
  }
  if (!signal.aborted) adjustStopped(run);
  return { reason, neededHooks };
}

function isHeld({ template, heldMigrations }: Preparation): boolean {
  return heldMigrations !== null && template?.hash === heldMigrations;
}

function heldReason(name: string, pending: readonly string[]): PhaseReason {
  return {
    code: 'migration_failed',
    message: `it runs without ${pending.join(', ')}, which only a rollout applies; see 'fathomd migrations status', then run 'fathomd migrations apply --databases ${name}'`,
  };
}

/** Corrects accounts and settings as `prepareDatabase`, for a database that stays stopped. */
export function adjustStopped(run: Preparation): void {
  if (!existsSync(fileOf(run))) return;
  shortenTypesFile(run.dataDir);
  adjustDatabase(fileOf(run), createAdjustments(run));
}

/** Records the version of a database that sleeps: its next start may be without the daemon. */
export function recordVersion(run: Preparation): void {
  adjustDatabase(fileOf(run), [recordLastVersion(run.version)]);
}

function createAdjustments(run: Preparation): Adjustment[] {
  const { name, template, ownership, account, settings, log } = run;
  return [
    {
      removesTriggers: true,
      isNeeded: (database) =>
        hasTable(database, '_collections') &&
        (hasTable(database, ACCESS_TABLE) || needsEnforcement(database, ownership)),
      apply: (database) => {
        const changes = enforceOwnership(database, ownership, readStoredAccess(database));
        database.exec(`DROP TABLE IF EXISTS ${ACCESS_TABLE}`);
        for (const sentence of changes) log.warn({ instance: name }, sentence);
      },
      onFailure: throwUnlessUnreadable,
    },
    ...(template ? [recordMigrations(template)] : []),
    ...(account ? [account] : []),
    settings,
  ];
}

function recordMigrations({ files }: Template): Adjustment {
  return {
    isNeeded: (database) => hasTable(database, '_migrations') && hasUnrecorded(database, files),
    apply: (database) => recordApplied(database, files),
    onFailure: throwUnlessUnreadable,
  };
}

/** Reads everything that is needed before a start, over one connection. */
function inspect(
  file: string,
  run: Preparation,
  adjustments: readonly Adjustment[],
): { pending: string[]; needed: readonly Adjustment[]; neededHooks: string[] | null } {
  const { template, version, isPinned, name, log } = run;
  try {
    return withDatabase(file, { readOnly: true }, (database) => {
      const last = readLastVersion(database);
      if (last !== null && isRefusedAfter(version, last)) {
        if (isPinned) throw new OlderVersion(version, last);
        log.warn({ instance: name }, `it starts with PocketBase ${version}, and ran with ${last} last`);
      }
      const pending =
        template && hasTable(database, '_migrations') ? pendingMigrations(database, template.files) : [];
      // Migrations may change what is needed.
      const willMigrate = pending.length > 0 && !isHeld(run);
      const neededHooks = readNeededHooks(database);
      return { pending, needed: willMigrate ? [] : neededAdjustments(database, adjustments), neededHooks };
    });
  } catch (error) {
    throwUnlessUnreadable(error);
    for (const { onFailure } of adjustments) onFailure(error);
    return { pending: [], needed: [], neededHooks: null };
  }
}

function fileOf({ dataDir }: Pick<Preparation, 'dataDir'>): string {
  return join(dataDir, 'data.db');
}

/** Whether the accounts are open to others, which earlier releases allowed migrations to do. A start corrects this. */
export function isOpenToOthers(dataDir: string): boolean {
  try {
    return withDatabase(join(dataDir, 'data.db'), { readOnly: true }, hasOpenUsers);
  } catch {
    // Probes report a damaged file.
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
  // Another process runs on the database; its start reports this.
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
    publicDir: null,
    hooksPool: 1,
    environment: run.environment,
    kind: 'user',
    memoryBytes: null,
  };
}

/** Waits for the end of the migrations. Kills the process after the timeout or an abort; then they are rolled back. */
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

function storeAccess(database: DatabaseSync, ownerId: string): void {
  // After an interruption, the access before the first migration counts.
  if (hasTable(database, ACCESS_TABLE)) return;
  database.exec(`CREATE TABLE ${ACCESS_TABLE} (value TEXT NOT NULL)`);
  database
    .prepare(`INSERT INTO ${ACCESS_TABLE} VALUES (?)`)
    .run(JSON.stringify(readAccess(database, ownerId)));
}

function readStoredAccess(database: DatabaseSync): Access | null {
  if (!hasTable(database, ACCESS_TABLE)) return null;
  const row = database.prepare(`SELECT value FROM ${ACCESS_TABLE}`).get();
  return row ? (JSON.parse(String(row['value'])) as Access) : null;
}

function change<T>(file: string, work: (database: DatabaseSync) => T): T {
  return withDatabase(file, { readOnly: false }, (database) =>
    inTransaction(database, () => work(database), { allowTriggers: true }),
  );
}
