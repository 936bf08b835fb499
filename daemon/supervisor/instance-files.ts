import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PhaseReason } from '../../shared/api/instances.ts';
import type { Clock } from '../base/time/clock.ts';
import { changedBinary } from '../pocketbase/binary/binary.ts';
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
import { diskInspector, readOnlyReason } from '../pocketbase/data/disk-state.ts';
import { RESCUED_PREFIX, rescueFiles } from '../pocketbase/data/rescue.ts';
import { restartHint } from '../pocketbase/process/exit-reason.ts';
import { unresponsiveReason } from '../pocketbase/process/unresponsive-reason.ts';
import type { DamageRecord } from './health/page-watch.ts';
import { dataDirOf, hasRunMarkerOf, type InstanceSpec } from './instance-spec.ts';

/** What the supervisor reads and saves of the host's files; injected, as a test's instances have none. */
export interface InstanceFiles {
  /** What stands in the way of a start; null when nothing does. */
  whatIsWrong(spec: InstanceSpec): Promise<PhaseReason | null>;
  /**
   * Which file is the instance's database now: another `identity` after it was replaced, another `stamp` after anything
   * was written into it. Null when there is none to be seen.
   */
  database(spec: InstanceSpec): { identity: string; stamp: string } | null;
  /** Looks at the files of a run, again and again; `launchedOn` is the `identity` of its database at its start. */
  inspector(spec: InstanceSpec, pid: number, launchedOn: string | null): () => Promise<DataState>;
  /** Why a process must not close its files, see `endProcess`; null when it may. */
  unsafeToCloseReason(directory: string, pid: number): Promise<PhaseReason | null>;
  /** Why a process does not answer, as far as the host knows. */
  unresponsiveReason(pid: number): Promise<PhaseReason | null>;
  /** Saves what only a halted process holds; where to, or null when that is nothing. */
  rescue(directory: string, pid: number, now: Date): Promise<string | null>;
}

export function hostFiles(clock: Clock, damage: DamageRecord = new Map()): InstanceFiles {
  /** The devices on which directories of databases were seen to lie. */
  const devices = new Map<string, number>();
  const inspectDisk = diskInspector(clock);
  /** Where the `data.db` of a directory was moved to under its process: the next start names the place. */
  const moved = new Map<string, string>();
  const noteMove = async (directory: string, pid: number, reason: PhaseReason | null) => {
    if (reason?.code !== 'data_dir_missing') return;
    const file = (await openFiles(pid))?.find(({ role, deleted }) => role === 'data.db' && !deleted);
    if (file) moved.set(directory, file.path);
    else moved.delete(directory);
  };
  const damageOfPages = ({ name, directory }: InstanceSpec): PhaseReason | null => {
    const found = damage.get(name);
    if (!found) return null;
    return fileState(join(dataDirOf(directory), 'data.db'))?.identity === found.identity
      ? found.reason
      : null;
  };
  return {
    whatIsWrong: async (spec) => {
      const [binary, data] = await Promise.all([
        changedBinary(spec.binary),
        whatIsWrongWithData(spec, { devices, moved }),
      ]);
      return binary ?? data;
    },
    database: (spec) => fileState(join(dataDirOf(spec.directory), 'data.db')),
    inspector: (spec, pid, launchedOn) => {
      const inspect = dataInspector(dataDirOf(spec.directory), pid, {
        inspectDisk,
        next: restartHint(spec),
        launchedOn,
        onReplaced: spec.onReplaced,
      });
      return async () => {
        const { broken, limited } = await inspect();
        await noteMove(spec.directory, pid, broken);
        return { broken, limited: limited ?? damageOfPages(spec) };
      };
    },
    unsafeToCloseReason: async (directory, pid) => {
      const reason = await unsafeToCloseReason(dataDirOf(directory), pid);
      await noteMove(directory, pid, reason);
      return reason;
    },
    unresponsiveReason,
    rescue: (directory, pid, now) => rescueFiles(pid, directory, { now, clock }),
  };
}

async function whatIsWrongWithData(
  spec: InstanceSpec,
  { devices, moved }: { devices: Map<string, number>; moved: ReadonlyMap<string, string> },
): Promise<PhaseReason | null> {
  const dataDir = dataDirOf(spec.directory);
  const dataFile = `${dataDir}/data.db`;
  const parent = dirname(spec.directory);
  const [device, there] = await Promise.all([deviceOf(parent), isThere(dataFile)]);
  if (there === 'denied') return accessDenied(dataFile);
  if (there) {
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
      message: `the disk that held ${parent} is not mounted any more; mount it, the instance then comes back by itself`,
    };
  }
  // A user database is made by provisioning, the global instance by its first start; neither silently anew.
  const marker = hasRunMarkerOf(spec.directory);
  if (spec.kind === 'global' && (await isThere(marker)) === false) return null;
  const orAnew = spec.kind === 'user' ? '' : `or remove ${marker} to begin anew, `;
  const place = moved.get(spec.directory);
  if (place !== undefined && fileState(place) !== null) {
    const message = `${dataFile} was moved to ${place}; move it back, with the files that were beside it, ${restartHint(spec)}`;
    return { code: 'data_dir_missing', message };
  }
  const rescued = await lastRescued(spec.directory);
  const from = rescued === null ? 'a backup' : `${rescued}, where what was deleted under it was saved`;
  const message = `${dataFile} is missing; restore it from ${from}, ${orAnew}${restartHint(spec)}`;
  return { code: 'data_dir_missing', message };
}

async function deviceOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ dev }) => dev,
    () => null,
  );
}

async function lastRescued(directory: string): Promise<string | null> {
  const beside = dirname(directory);
  const prefix = `${RESCUED_PREFIX}${basename(directory)}-`;
  const names = await readdir(beside).catch((): string[] => []);
  const last = names
    .filter((name) => name.startsWith(prefix))
    .toSorted()
    .at(-1);
  return last === undefined ? null : join(beside, last);
}

/** @throws what keeps it from being seen, other than that it is not there or must not be looked at */
async function isThere(path: string): Promise<boolean | 'denied'> {
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
