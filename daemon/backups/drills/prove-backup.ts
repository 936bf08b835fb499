import type { DrillProgress } from '../../../shared/api/backups.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { isDiskFull, makeDirectory } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { ProcessEnded } from '../../base/process-pool.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import type { TokenSource } from '../../keys/instance-access.ts';
import type { Binary } from '../../pocketbase/binary/binary.ts';
import { isRefusedAfter, lastVersionOf } from '../../pocketbase/data/last-version.ts';
import { readFactsOf } from '../../rollouts/change.ts';
import type { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import type { DatabaseFacts } from '../../rollouts/data/facts.ts';
import { tryCopy } from '../../rollouts/rehearse.ts';
import type { TrialDeps } from '../../rollouts/trial.ts';
import { dataDirOf, type InstanceSpec } from '../../supervisor/instance-spec.ts';
import { requireSpace } from '../restore/require-space.ts';
import { BackupFailed, type BackupProcesses } from '../run/backup-processes.ts';
import type { FoundBackup } from '../run/restore-work.ts';

/** What a drill restores. */
export interface DrillSubject {
  name: string;
  spec: InstanceSpec;
  /** Id of the owner; empty for the control plane. */
  user: string;
  /** `pb_data` of the live database. */
  dataDir: string;
  /** The executable that a restore would run. @throws FathomError `binary.unusable` */
  binaryOf: () => Promise<Binary>;
  /** Prepares a copy for its start, as a restore does. Returns what signs tokens of a superuser of the copy. */
  adjust: (copy: string) => TokenSource;
  /** Id of the last backup that this host made. */
  lastBackup: string;
  /** Whether the live database has not changed since a backup. */
  isUnchanged: (backup: string) => boolean;
  /** Called with what has changed. */
  onProgress: (change: Partial<Omit<DrillProgress, 'since'>>) => void;
}

export interface ProveDeps extends TrialDeps {
  /** BACKUP_TARGET */
  target: string;
  masters: MasterKeys;
  processes: BackupProcesses;
  thread: DatabaseThread;
  /** DISK_RESERVE_MB. A drill leaves as much. */
  reserveBytes: number;
  clock: Clock;
}

/** How a drill ended. `problem` is null when the backup was proven. */
export interface Proof {
  backup: string;
  problem: string | null;
  files: number;
  bytes: number;
  rows: number;
  /** Its rows were compared with those of the live database, which had not changed. */
  compared: boolean;
}

type FoundOne = NonNullable<FoundBackup['backup']>;

/** The drill says nothing about the backup: the target is away, the disk is full. */
export class DrillUndecided extends Error {
  override readonly name = 'DrillUndecided';
}

/** Of failures that are not of the backup. */
const UNDECIDED: ReadonlySet<string> = new Set(['target_away', 'target_full', 'target_denied', 'disk_full']);

/**
 * Restores the last backup of a database beside it, starts it with PocketBase on a port without clients, tests it, and removes
 * it. Each file is compared with its hash, and SQLite reads the whole database.
 *
 * @param directory of the copy. It is removed.
 * @throws DrillUndecided
 */
export async function proveBackup(
  subject: DrillSubject,
  directory: string,
  deps: ProveDeps,
  signal: AbortSignal,
): Promise<Proof> {
  const proof: Proof = {
    backup: subject.lastBackup,
    problem: null,
    files: 0,
    bytes: 0,
    rows: 0,
    compared: false,
  };
  try {
    await removeTree(directory);
    const backup = await findLatest(subject, deps);
    proof.backup = backup.id;
    subject.onProgress({ bytes: backup.bytes });
    await makeDirectory(directory);
    await requireSpace(directory, backup, deps.reserveBytes).catch((error: unknown) => {
      throw new DrillUndecided(messageOf(error), { cause: error });
    });
    return { ...proof, ...(await restoreAndTry(subject, { backup, directory }, deps, signal)) };
  } catch (error) {
    signal.throwIfAborted();
    if (isUndecided(error)) throw new DrillUndecided(messageOf(error), { cause: error });
    return { ...proof, problem: messageOf(error) };
  } finally {
    await removeTree(directory);
  }
}

async function findLatest({ name }: DrillSubject, deps: ProveDeps): Promise<FoundOne> {
  const { target, masters, processes, clock } = deps;
  const now = clock.now();
  const { backup } = await processes.run({
    kind: 'find',
    target,
    database: name,
    masters,
    id: 'latest',
    now,
  });
  if (backup === null) throw new Error(`the target has no backup of ${name}`);
  return backup;
}

async function restoreAndTry(
  subject: DrillSubject,
  { backup, directory }: { backup: FoundOne; directory: string },
  deps: ProveDeps,
  signal: AbortSignal,
): Promise<Partial<Proof>> {
  const { target, masters, processes, thread } = deps;
  const { name, user, spec, onProgress } = subject;
  const copy = dataDirOf(directory);
  const work = { kind: 'restore', target, database: name, masters, id: backup.id, isDrill: true } as const;
  const onBytes = (read_bytes: number) => onProgress({ read_bytes });
  const restored = await processes.run({ ...work, directory: copy }, { onBytes });
  signal.throwIfAborted();
  onProgress({ stage: 'testing' });
  const facts = await readFactsOf(copy, user, thread);
  const live = await readUnchanged(subject, backup, thread);
  const counts = {
    ...restored,
    rows: Object.values(facts.rows).reduce((sum, rows) => sum + rows, 0),
    compared: live !== null,
  };
  const difference = live && describeDifference(live, facts);
  if (difference !== null) return { ...counts, problem: difference };
  const binary = await subject.binaryOf();
  const last = lastVersionOf(copy);
  if (last !== null && isRefusedAfter(binary.version, last))
    return {
      ...counts,
      problem: `PocketBase ${last} wrote it, and ${name} runs ${binary.version}, which is older`,
    };
  const superuserToken = subject.adjust(copy);
  const entry = { row: { user }, runner: { spec }, superuserToken };
  return { ...counts, problem: await tryCopy(entry, { directory, binary }, deps, signal) };
}

/** The facts of the live database; null when it has changed since the backup. */
async function readUnchanged(
  { user, dataDir, isUnchanged }: DrillSubject,
  { id }: FoundOne,
  thread: DatabaseThread,
): Promise<DatabaseFacts | null> {
  if (!isUnchanged(id)) return null;
  const facts = await readFactsOf(dataDir, user, thread).catch(() => null);
  return isUnchanged(id) ? facts : null;
}

function describeDifference(live: DatabaseFacts, restored: DatabaseFacts): string | null {
  const names = new Set([...Object.keys(live.rows), ...Object.keys(restored.rows)]);
  for (const name of names)
    if (live.rows[name] !== restored.rows[name])
      return `${name} has ${restored.rows[name] ?? 'no'} rows, and the database, which has not changed, ${live.rows[name] ?? 'none'}`;
  return null;
}

function isUndecided(error: unknown): boolean {
  if (error instanceof DrillUndecided || isDiskFull(error)) return true;
  if (error instanceof BackupFailed)
    return UNDECIDED.has(error.reason) || error.cause instanceof ProcessEnded;
  return error instanceof FathomError && error.code === 'binary.unusable';
}
