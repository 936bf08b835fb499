import { rmSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PhaseReason } from '../../shared/api/instances.ts';
import type { Clock } from '../base/time/clock.ts';
import { closeDatabases } from '../pocketbase/data/close-databases.ts';
import {
  accessDenied,
  type DataState,
  dataInspector,
  fileState,
  findDamage,
  openFiles,
  unsafeToCloseReason,
  unusableReason,
} from '../pocketbase/data/data-state.ts';
import { diskInspector, readOnlyReason, writeProblem } from '../pocketbase/data/disk-state.ts';
import { incompleteReason } from '../pocketbase/data/incomplete-files.ts';
import { RESCUED_PREFIX, rescueFiles } from '../pocketbase/data/rescue.ts';
import { restartHint } from '../pocketbase/process/exit-reason.ts';
import { unresponsiveReason } from '../pocketbase/process/unresponsive-reason.ts';
import type { DiskReasons } from './disk/disk-limit.ts';
import { dataDirOf, failedMarkerOf, hasRunMarkerOf, type InstanceSpec } from './instance-spec.ts';

/** Damage inside databases by instance. It counts only for the file with that identity. */
export type DamageRecord = Map<string, { identity: string; reason: PhaseReason }>;

/** Access to the files of instances. Injected, because the instances of unit tests have no files. */
export interface InstanceFiles {
  /** Why an instance cannot start; null when it can. */
  startProblem(spec: InstanceSpec): Promise<PhaseReason | null>;
  /** Why writes to the disk of an instance fail now; null when they work. */
  writeProblem(spec: InstanceSpec): Promise<PhaseReason | null>;
  /** Why files that were missing may not be complete yet, so that no process must open them; null when they are. */
  incompleteReason(spec: InstanceSpec): PhaseReason | null;
  /**
   * The current database file of an instance: `identity` changes when it is replaced, `stamp` when it is written. Null when
   * it cannot be read.
   */
  database(spec: InstanceSpec): { identity: string; stamp: string } | null;
  /** Returns a function that checks the files of a run. `launchedOn` is the `identity` of its database at its start. */
  inspector(spec: InstanceSpec, pid: number, launchedOn: string | null): () => Promise<DataState>;
  /** Why a process must not close its files normally, see `endProcess`; null when it is safe. */
  unsafeToCloseReason(directory: string, pid: number): Promise<PhaseReason | null>;
  /** Why a process does not respond, from its state in /proc; null when that shows no reason. */
  unresponsiveReason(pid: number): Promise<PhaseReason | null>;
  /** Writes the WALs of an instance without a process into its databases, as PocketBase does at its end. @throws the error of SQLite */
  close(spec: InstanceSpec): void;
  /** Ends what else holds the files of a database open, before they are moved or when its process has ended. Never rejects. */
  release(directory: string): Promise<void>;
  /** Records whether an instance is failed, for the next daemon. Best effort. */
  noteFailed(spec: InstanceSpec, isFailed: boolean): void;
  /** Copies files that would be lost with a stopped process. Resolves with their directory, or null without such files. */
  rescue(directory: string, pid: number, now: Date): Promise<string | null>;
}

export interface HostFilesDeps {
  clock: Clock;
  damage?: DamageRecord;
  diskReasons?: DiskReasons;
  uploadReasons?: DiskReasons;
  replication?: Pick<InstanceFiles, 'release'>;
  /** Says whether another server owns an instance; null for a single server. */
  cluster?: { startProblem(name: string): Promise<PhaseReason | null> } | null;
}

export function hostFiles({
  clock,
  damage = new Map(),
  diskReasons = new Map(),
  uploadReasons = new Map(),
  replication,
  cluster = null,
}: HostFilesDeps): InstanceFiles {
  /** The devices of directories with databases. */
  const devices = new Map<string, number>();
  const inspectDisk = diskInspector(clock);
  /** The new paths of `data.db` files that were moved while their process ran, by directory. The next start reports them. */
  const moved = new Map<string, string>();
  const recordMove = async (directory: string, pid: number, reason: PhaseReason | null) => {
    if (reason?.code !== 'data_dir_missing') return;
    const file = (await openFiles(pid))?.find(({ role, deleted }) => role === 'data.db' && !deleted);
    if (file) moved.set(directory, file.path);
    else moved.delete(directory);
  };
  const pageDamage = ({ name, directory }: InstanceSpec): PhaseReason | null => {
    const entry = damage.get(name);
    if (!entry) return null;
    return fileState(join(dataDirOf(directory), 'data.db'))?.identity === entry.identity
      ? entry.reason
      : null;
  };
  return {
    startProblem: async (spec) => {
      const notOwned = cluster === null ? null : await cluster.startProblem(spec.name);
      if (notOwned) return notOwned;
      const [binary, data] = await Promise.all([spec.binaryProblem(), dataProblem(spec, { devices, moved })]);
      return binary ?? data;
    },
    writeProblem: ({ directory }) => writeProblem(dataDirOf(directory)),
    incompleteReason: ({ directory }) => incompleteReason(dataDirOf(directory), clock.now()),
    database: (spec) => fileState(join(dataDirOf(spec.directory), 'data.db')),
    inspector: (spec, pid, launchedOn) => {
      const inspect = dataInspector(dataDirOf(spec.directory), pid, {
        inspectDisk,
        next: restartHint(spec),
        launchedOn,
        onReplaced: () => spec.onReplaced(),
      });
      return async () => {
        const { broken, limited } = await inspect();
        await recordMove(spec.directory, pid, broken);
        const reason = diskReasons.get(spec.name) ?? uploadReasons.get(spec.name) ?? null;
        return { broken, limited: limited ?? pageDamage(spec) ?? reason };
      };
    },
    unsafeToCloseReason: async (directory, pid) => {
      const reason = await unsafeToCloseReason(dataDirOf(directory), pid);
      await recordMove(directory, pid, reason);
      return reason;
    },
    unresponsiveReason,
    close: ({ directory }) => closeDatabases(dataDirOf(directory)),
    release: replication?.release ?? (async () => {}),
    noteFailed,
    rescue: (directory, pid, now) => rescueFiles(pid, directory, { now, clock }),
  };
}

function noteFailed({ directory }: InstanceSpec, isFailed: boolean): void {
  const marker = failedMarkerOf(directory);
  try {
    if (isFailed) writeFileSync(marker, '', { mode: 0o600 });
    else rmSync(marker, { force: true });
  } catch {
    // Its directory is missing or full, which is the reason that is shown.
  }
}

async function dataProblem(
  spec: InstanceSpec,
  { devices, moved }: { devices: Map<string, number>; moved: ReadonlyMap<string, string> },
): Promise<PhaseReason | null> {
  const dataDir = dataDirOf(spec.directory);
  const dataFile = `${dataDir}/data.db`;
  const parent = dirname(spec.directory);
  const [device, exists] = await Promise.all([deviceOf(parent), fileExists(dataFile)]);
  if (exists === 'denied') return accessDenied(dataFile);
  if (exists) {
    if (device !== null) devices.set(parent, device);
    return (
      unusableReason(spec.directory, dataDir) ??
      findDamage(dataDir, restartHint(spec)) ??
      readOnlyReason(dataDir)
    );
  }
  if (devices.has(parent) && devices.get(parent) !== device) {
    return {
      code: 'volume_missing',
      message: `the disk with ${parent} is no longer mounted; mount it, the instance then starts by itself`,
    };
  }
  // Only provisioning creates a user database, and only the first start creates the global one.
  const marker = hasRunMarkerOf(spec.directory);
  if (spec.kind === 'global' && (await fileExists(marker)) === false) return null;
  const orStartEmpty = spec.kind === 'user' ? '' : `or remove ${marker} to start with an empty one, `;
  const movedTo = moved.get(spec.directory);
  if (movedTo !== undefined && fileState(movedTo) !== null) {
    const message = `${dataFile} was moved to ${movedTo}; move it back, with the files that were beside it, ${restartHint(spec)}`;
    return { code: 'data_dir_missing', message };
  }
  const rescued = await lastRescued(spec.directory);
  const source = rescued === null ? 'a backup' : `${rescued}, which has copies of the deleted files`;
  const message = `${dataFile} is missing; restore it from ${source}, ${orStartEmpty}${restartHint(spec)}`;
  return { code: 'data_dir_missing', message };
}

async function deviceOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ dev }) => dev,
    () => null,
  );
}

async function lastRescued(directory: string): Promise<string | null> {
  const parent = dirname(directory);
  const prefix = `${RESCUED_PREFIX}${basename(directory)}-`;
  const names = await readdir(parent).catch((): string[] => []);
  const last = names
    .filter((name) => name.startsWith(prefix))
    .toSorted()
    .at(-1);
  return last === undefined ? null : join(parent, last);
}

/** @throws the error of stat(2), except for a missing file or denied access */
async function fileExists(path: string): Promise<boolean | 'denied'> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    if (code === 'EACCES' || code === 'EPERM') return 'denied';
    throw error;
  }
}
