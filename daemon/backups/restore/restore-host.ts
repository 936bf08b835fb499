import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { forEachConcurrent } from '../../base/concurrent.ts';
import { lockDataDir } from '../../base/files/data-dir-lock.ts';
import { exists, makePrivateDir, unlessMissing } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { replaceFile, syncDirectory } from '../../base/files/replace-file.ts';
import { readStoredDatabases, type StoredDatabase } from '../../control-plane/stored-databases.ts';
import { parseChoice } from '../../databases/applications/choice.ts';
import { readNeededHooks } from '../../databases/applications/needed-hooks.ts';
import { DOCUMENTS, EVERY } from '../../databases/applications/sources.ts';
import { endControlPlaneSessions, endSessions } from '../../databases/owner/end-sessions.ts';
import { isRefusedAfter, lastVersionOf } from '../../pocketbase/data/last-version.ts';
import { isUnreadable, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { globalDirOf } from '../../supervisor/global-instance.ts';
import { dataDirOf, failedMarkerOf, hasRunMarkerOf, restoreDirOf } from '../../supervisor/instance-spec.ts';
import { BackupProblem } from '../backup-problem.ts';
import { readEscrow, type Secrets } from '../keys/escrow.ts';
import { CONTROL_PLANE, CONTROL_PLANE_FILES, listAllBackups } from '../manifest.ts';
import { listErased } from '../retention/erased-databases.ts';
import { BackupFailed, BackupProcesses } from '../run/backup-processes.ts';
import { isOfBackup } from '../run/restore-work.ts';
import { readTargetHost } from '../run/target-identity.ts';
import { createBackupHost } from '../service/backup-host.ts';
import { splitAtNow } from '../split-at-now.ts';
import type { Target } from '../targets/target.ts';
import { recordRestored } from './restored-events.ts';
import { adjustRestoredRows } from './restored-rows.ts';
import { restoredSettings } from './restored-settings.ts';

/** Beside the data, while a host is restored. A daemon does not start then. */
const STATE_FILE = 'restore.json';
/** It becomes this when the restore has ended. */
const ENDED_FILE = 'restored.json';
/** What an empty file system has, and what a call leaves that was killed before it wrote its state. */
const IGNORED = new Set(['lost+found', 'run', `.${STATE_FILE}.new`]);

const stateSchema = z.strictObject({ format: z.literal(1), from: z.string() });

export interface HostRestore {
  /** As in BACKUP_TARGET. */
  from: string;
  target: Target;
  /** The private half. */
  recoveryKey: string;
  /** Absolute. */
  dataDir: string;
  userDatabasesDir: string;
  /** The version of PocketBase that databases without one of their own will run. */
  version: string;
  /** Databases that are restored at the same time, each by a process. */
  parallel: number;
  onProgress: (progress: HostProgress) => void;
}

export interface HostProgress {
  databases: number;
  ended: number;
  /** Restored until now. */
  bytes: number;
}

export interface HostReport {
  /** Id of its backup; null when an earlier run of the same restore has restored it. */
  control_plane: string | null;
  restored: { name: string; backup: string; bytes: number }[];
  /** By an earlier run of the same restore. */
  restored_before: string[];
  /** Older backups, because later ones cannot be used. */
  older: { name: string; backup: string; message: string }[];
  /** Accounts whose database was never backed up, or has no backup that can be used. */
  missing: { name: string; message: string }[];
  /** Backups of databases that the control plane does not know, such as those that were created after its backup. */
  unknown: string[];
  /** Versions of PocketBase that databases are pinned to. */
  pinned: string[];
  /** Applications that databases have, and whose files are not part of backups. */
  applications: string[];
}

/** Refuses a start on data that is not complete. @throws FathomError `data_dir.unusable` */
export async function requireRestored(dataDir: string): Promise<void> {
  // The start reports a directory that cannot be used.
  const state = existsSync(join(dataDir, STATE_FILE)) ? await readState(dataDir) : null;
  if (state === null) return;
  throw new FathomError(
    'data_dir.unusable',
    `the restore of ${dataDir} has not ended; run 'fathomd restore --from ${state.from} --recovery-key FILE --data-dir ${dataDir}' again`,
  );
}

/**
 * Restores a whole host into an empty directory: secrets, control plane, databases. After an interruption, the next call
 * continues. No daemon runs.
 *
 * @throws FathomError `config.exists` for a directory with other data, `backup.failed`; BackupProblem; the error of the target
 */
export async function restoreHost(options: HostRestore): Promise<HostReport> {
  const { dataDir, userDatabasesDir } = options;
  const isNew = await isNewRestore(options);
  await makePrivateDir(join(dataDir, 'run'));
  const lock = lockDataDir(dataDir);
  try {
    if (isNew) await writeState(options);
    for (const directory of [userDatabasesDir, globalDirOf(dataDir)]) await makePrivateDir(directory);
    const processes = new BackupProcesses(options.parallel);
    try {
      return await restoreAll({ ...options, processes });
    } finally {
      await processes.close();
    }
  } finally {
    lock.release();
  }
}

interface RunningRestore extends HostRestore {
  /** They read backups, and so use all processors. */
  processes: BackupProcesses;
}

async function restoreAll(options: RunningRestore): Promise<HostReport> {
  const { target, dataDir, recoveryKey } = options;
  const secrets = await readEscrow(target, recoveryKey);
  const backups = await listAllBackups(target);
  const report: HostReport = {
    control_plane: null,
    restored: [],
    restored_before: [],
    older: [],
    missing: [],
    unknown: [],
    pinned: [],
    applications: [],
  };
  await restoreControlPlane(options, { backups, secrets, report });
  await restoreDatabases(options, { backups, report });
  // Another host for its target: the former one may still run.
  await createBackupHost(dataDir, { restoredFrom: await readTargetHost(target) });
  await rename(join(dataDir, STATE_FILE), join(dataDir, ENDED_FILE));
  await syncDirectory(dataDir);
  return report;
}

/**
 * False when an earlier call has begun it.
 *
 * @throws FathomError `config.exists` for a directory that is not empty, was restored, or belongs to another restore
 */
async function isNewRestore({ dataDir, userDatabasesDir, from }: HostRestore): Promise<boolean> {
  const ended = await readState(dataDir, ENDED_FILE);
  if (ended !== null)
    throw new FathomError(
      'config.exists',
      `the restore of ${dataDir} from ${ended.from} has ended already; start Fathom, or choose an empty directory with --data-dir`,
    );
  const state = await readState(dataDir);
  if (state !== null && state.from !== from)
    throw new FathomError(
      'config.exists',
      `a restore from ${state.from} has begun in ${dataDir}; name that target, or choose an empty directory`,
    );
  if (state !== null) return false;
  for (const directory of [dataDir, userDatabasesDir]) {
    const names = (await readdir(directory).catch(unlessMissing)) ?? [];
    const found = names.find((name) => !IGNORED.has(name) && join(directory, name) !== from);
    if (found === undefined) continue;
    throw new FathomError(
      'config.exists',
      `${directory} is not empty (${found}), and a restore replaces nothing; choose an empty directory with --data-dir`,
    );
  }
  return true;
}

async function writeState({ dataDir, from }: HostRestore): Promise<void> {
  const state: z.infer<typeof stateSchema> = { format: 1, from };
  await replaceFile(join(dataDir, STATE_FILE), JSON.stringify(state), { mode: 0o600, synced: true });
}

async function readState(dataDir: string, file = STATE_FILE): Promise<z.infer<typeof stateSchema> | null> {
  const content = await readFile(join(dataDir, file), 'utf8').catch(unlessMissing);
  return content === null ? null : stateSchema.parse(JSON.parse(content));
}

interface Found {
  /** Ids by database, oldest first. */
  backups: ReadonlyMap<string, readonly string[]>;
  report: HostReport;
}

/** The data appears last, so an interruption repeats all of it. */
async function restoreControlPlane(
  options: RunningRestore,
  { backups, secrets, report }: Found & { secrets: Secrets },
): Promise<void> {
  const { dataDir, version, from } = options;
  const directory = globalDirOf(dataDir);
  if (await exists(dataDirOf(directory))) return;
  const ids = backups.get(CONTROL_PLANE) ?? [];
  if (ids.length === 0)
    throw new BackupProblem(`${from} has no backup of the control plane; name another target`);
  const restored = await restoreNewest(options, { name: CONTROL_PLANE, ids, directory });
  if ('message' in restored) throw new BackupProblem(restored.message);
  const { id, staged, failures } = restored;
  report.control_plane = id;
  noteOlder(report, CONTROL_PLANE, id, failures);
  const last = lastVersionOf(staged, { isTrusted: true });
  if (last !== null && isRefusedAfter(version, last)) throw olderVersion('the control plane', version, last);
  endControlPlaneSessions(staged);
  const erased = await listErased(options.target);
  adjustRestoredRows(join(staged, 'data.db'), { erased, names: backups.keys(), now: new Date() });
  const { auditDir, auditHead, settings } = CONTROL_PLANE_FILES;
  const written = z
    .record(z.string(), z.string())
    .parse(JSON.parse(await readFile(join(staged, settings), 'utf8')));
  const text = restoredSettings({ secrets, settings: written, from, dataDir });
  await replaceFile(join(dataDir, '.env'), text, { mode: 0o600, synced: true });
  for (const name of [auditDir, auditHead]) {
    if (!(await exists(join(staged, name)))) continue;
    await removeTree(join(dataDir, name));
    await rename(join(staged, name), join(dataDir, name));
  }
  await rm(join(staged, settings));
  await syncDirectory(dataDir);
  await replaceFile(hasRunMarkerOf(directory), '', { mode: 0o600, synced: true });
  await putInPlace(directory);
}

/** Databases that were backed up last come first: they were used last. */
async function restoreDatabases(options: RunningRestore, { backups, report }: Found): Promise<void> {
  const { dataDir, userDatabasesDir, parallel, onProgress } = options;
  const rows = readStoredDatabases(join(dataDirOf(globalDirOf(dataDir)), 'data.db'));
  const names = new Set(rows.map(({ name }) => name));
  report.unknown = [...backups.keys()]
    .filter((name) => name !== CONTROL_PLANE && !names.has(name))
    .toSorted();
  report.pinned = [...new Set(rows.flatMap(({ version }) => (version === '' ? [] : [version])))].toSorted();
  const dataDirIn = ({ name }: StoredDatabase) => dataDirOf(join(userDatabasesDir, name));
  const used = new Set(rows.flatMap((row) => applicationsOf(row, dataDirIn(row))));
  const waiting: { row: StoredDatabase; ids: readonly string[] }[] = [];
  for (const row of rows) {
    const ids = backups.get(row.name) ?? [];
    if (existsSync(dataDirIn(row))) report.restored_before.push(row.name);
    else if (ids.length > 0) waiting.push({ row, ids });
    else report.missing.push({ name: row.name, message: 'it was never backed up' });
  }
  waiting.sort((a, b) => ((a.ids.at(-1) ?? '') < (b.ids.at(-1) ?? '') ? 1 : -1));
  const progress: HostProgress = { databases: waiting.length, ended: 0, bytes: 0 };
  onProgress(progress);
  // While one is finished here, a process reads the next one.
  await forEachConcurrent(waiting, 2 * parallel, async ({ row, ids }) => {
    const applications = await restoreRow(options, { row, ids, report }, (bytes) => {
      progress.bytes += bytes;
      onProgress(progress);
    });
    for (const application of applications) used.add(application);
    progress.ended += 1;
    onProgress(progress);
  });
  report.applications = [...used].toSorted();
}

/** Those that the row names, and those whose hooks it needs when it has all of a directory. */
function applicationsOf({ applications }: StoredDatabase, dataDir: string): string[] {
  const chosen = parseChoice(applications);
  const named = chosen.filter((name) => name !== '' && name !== EVERY);
  const file = join(dataDir, 'data.db');
  if (!chosen.includes(EVERY) || !existsSync(file)) return named;
  try {
    return [...named, ...(withDatabase(file, { readOnly: true }, readNeededHooks) ?? [])];
  } catch {
    // The start of the database reports a damaged file.
    return named;
  }
}

/** Its hooks are not part of the backup. Asleep, it could be woken without the daemon, and so without a look for them. */
async function startWithDaemon(directory: string): Promise<void> {
  await writeFile(failedMarkerOf(directory), '', { mode: 0o600, flush: true });
}

/** @returns the applications of what was restored */
async function restoreRow(
  options: RunningRestore,
  { row, ids, report }: { row: StoredDatabase; ids: readonly string[]; report: HostReport },
  onBytes: (bytes: number) => void,
): Promise<string[]> {
  const { name } = row;
  const directory = join(options.userDatabasesDir, name);
  const restored = await restoreNewest(options, { name, ids, directory, onBytes, isOfUser: true });
  if ('message' in restored) {
    report.missing.push({ name, message: restored.message });
    await removeTree(directory);
    return [];
  }
  const { id, bytes, staged, failures } = restored;
  const last = lastVersionOf(staged);
  if (row.version === '' && last !== null && isRefusedAfter(options.version, last))
    throw olderVersion(name, options.version, last);
  const applications = applicationsOf(row, staged);
  if (applications.some((one) => one !== DOCUMENTS)) await startWithDaemon(directory);
  const controlPlane = join(dataDirOf(globalDirOf(options.dataDir)), 'data.db');
  recordRestored(controlPlane, { name, user: row.user, id }, new Date());
  await putInPlace(directory);
  noteOlder(report, name, id, failures);
  report.restored.push({ name, backup: id, bytes });
  return applications;
}

type Restored = { id: string; bytes: number; staged: string; failures: string[] } | { message: string };

/** Restores the last backup that is complete. Problems of the target itself end the restore. */
async function restoreNewest(
  { from: target, recoveryKey, processes }: RunningRestore,
  {
    name,
    ids,
    directory,
    onBytes = () => {},
    isOfUser = false,
  }: {
    name: string;
    ids: readonly string[];
    directory: string;
    onBytes?: (bytes: number) => void;
    isOfUser?: boolean;
  },
): Promise<Restored> {
  const staged = dataDirOf(restoreDirOf(directory));
  const { past, future } = splitAtNow(ids, new Date());
  const failures =
    past.length === 0 ? [] : future.map((id) => `the time of the backup ${id} is in the future`);
  await removeTree(restoreDirOf(directory));
  for (const id of [...future, ...past].toReversed()) {
    const work = { kind: 'restore', target, database: name, recoveryKey, id, directory: staged } as const;
    let noted = 0;
    const note = (read: number) => {
      onBytes(read - noted);
      noted = read;
    };
    try {
      const { bytes } = await processes.run(work, { onBytes: note });
      note(bytes);
      if (isOfUser) endSessionsOf(staged, id);
      return { id, bytes, staged, failures };
    } catch (error) {
      if (!isEarlierBetter(error)) throw error;
      failures.push(error.message);
      await removeTree(staged);
    }
  }
  return { message: failures[0] ?? 'it has no backup' };
}

function isEarlierBetter(error: unknown): error is Error {
  return error instanceof BackupFailed ? error.isOfBackup : isOfBackup(error);
}

/** @throws BackupProblem */
function endSessionsOf(staged: string, id: string): void {
  try {
    endSessions(join(staged, 'data.db'));
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    throw new BackupProblem(`the database of the backup ${id} is damaged (${messageOf(error)})`, {
      cause: error,
    });
  }
}

async function putInPlace(directory: string): Promise<void> {
  await rename(dataDirOf(restoreDirOf(directory)), dataDirOf(directory));
  await syncDirectory(directory);
  await removeTree(restoreDirOf(directory));
}

function noteOlder(report: HostReport, name: string, backup: string, [message]: readonly string[]): void {
  if (message !== undefined) report.older.push({ name, backup, message });
}

function olderVersion(what: string, version: string, last: string): FathomError {
  return new FathomError(
    'backup.failed',
    `PocketBase ${last} wrote the backup of ${what}, and this host has PocketBase ${version}, which is older; set PB_BINARY_PATH to PocketBase ${last} or later, then run the restore again`,
  );
}
