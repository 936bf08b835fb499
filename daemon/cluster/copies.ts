import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDatabaseName } from '../../shared/database-name.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { forEachConcurrent } from '../base/concurrent.ts';
import { exists, makePrivateDir, unlessMissing } from '../base/files/dir.ts';
import { hashFile } from '../base/files/hash-file.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { replaceFile, syncDirectory } from '../base/files/replace-file.ts';
import type { KeyedMutex } from '../base/keyed-mutex.ts';
import type { Logger } from '../base/log/log.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { Clock } from '../base/time/clock.ts';
import { readStoredDatabases, type StoredDatabase } from '../control-plane/stored-databases.ts';
import { archivedFileOf } from '../pocketbase/data/archived-file.ts';
import { dataDirOf, hasRunMarkerOf, restoreDirOf } from '../supervisor/instance-spec.ts';
import type { Ownership } from './claims.ts';
import type { ReceiveOptions, WantedCopy } from './handovers.ts';
import { withProgress } from './moves/copy-progress.ts';

/** In the directory of an instance: the epoch of its owner when its files were restored or made here. */
const EPOCH_FILE = 'owner-epoch';
/** Beside `pb_data`, with the epoch of its last owner here: files that another node has replaced. */
const DIVERGED = 'diverged-';
/** With one process of Litestream each. */
const CONCURRENT_RESTORES = 4;
const CONCURRENT_LOOKS = 16;

/** Those that wait are restored in the order in which they began to wait. */
export class RestoreSlots {
  /** Of databases that this node owns. */
  readonly owned = new Semaphore(CONCURRENT_RESTORES);
  /** Of databases that move here: they must not wait for those of a lost node. */
  readonly moving = new Semaphore(CONCURRENT_RESTORES);
}

export interface CopiesDeps {
  ownershipOf: (name: string) => Ownership | null;
  directoryOf: (name: string) => string;
  /** The path of the replica that this node wrote as the owner with an epoch. */
  ownReplica: (name: string, epoch: number) => Promise<string>;
  /** Restores the last state of a replica. @param file must not exist */
  restore: (path: string, file: string, signal: AbortSignal) => Promise<void>;
  /**
   * Writes the uploaded files of a database to a new `pb_data`.
   *
   * @param options.known one that may have some of them, and others
   * @param options.mayLack whether damaged ones may be missing
   */
  fetchFiles: (
    name: string,
    options: { dataDir: string; known: string | null; mayLack: boolean },
  ) => Promise<void>;
  /** By name: what changes the files of a database. */
  perName: KeyedMutex;
  slots: RestoreSlots;
  clock: Clock;
  /** Aborts when the daemon ends. */
  stopping: AbortSignal;
  /** Its failure ends the start of the daemon. */
  controlPlane: string;
  log: Logger;
}

/**
 * Makes the files of databases those of their last owner. What an earlier owner has left here is put aside, before a process
 * can start on it. Those that the leader starts next restore their files then, so that none of them waits for the others.
 *
 * @param names of databases that this node owns, with the control plane. Those with files of another owner do not run
 * @returns the names of those that their start restores
 * @throws the error of the control plane. A database that cannot be restored has no files, and its start says so
 */
export async function prepareCopies(
  names: readonly string[],
  deps: CopiesDeps,
): Promise<ReadonlySet<string>> {
  const { controlPlane, log } = deps;
  await prepareCopy(controlPlane, deps);
  const others = names.filter((name) => name !== controlPlane);
  const restoredLater = new Set<string>();
  if (others.length === 0) return restoredLater;
  const stored = deps.ownershipOf(controlPlane) === null ? null : readStored(deps);
  const wanted = others.filter((name) => (stored === null ? isDatabaseName(name) : stored.has(name)));
  await forEachConcurrent(wanted, CONCURRENT_LOOKS, async (name) => {
    try {
      if ((await findRestore(name, deps)) === null) return;
      // A start would first bring back the files of one that is archived here, which another node may have used since.
      const isArchived = await exists(archivedFileOf(deps.directoryOf(name)));
      if (!isArchived && stored?.get(name)?.mustRun === true) restoredLater.add(name);
      else await prepareCopy(name, deps);
    } catch (error) {
      log.error(
        { err: error, instance: name },
        `${name} was not restored from its replica: ${messageOf(error)}`,
      );
    }
  });
  return restoredLater;
}

/** By the control plane of this node: records in etcd are removed later than rows. */
function readStored({ directoryOf, controlPlane }: CopiesDeps): Map<string, StoredDatabase> {
  const file = join(dataDirOf(directoryOf(controlPlane)), 'data.db');
  return new Map(readStoredDatabases(file).map((database) => [database.name, database]));
}

/** @throws FathomError `conflict`, `not_found`, `backup.failed` */
export function prepareCopy(name: string, deps: CopiesDeps): Promise<void> {
  return deps.perName.run(name, () => makeNewest(name, deps));
}

async function makeNewest(name: string, deps: CopiesDeps): Promise<void> {
  const wanted = await findRestore(name, deps);
  if (wanted === null) return;
  const { epoch, source, local } = wanted;
  const directory = deps.directoryOf(name);
  await restoreCopy(name, directory, { source, local, signal: deps.stopping }, deps);
  await writeEpoch(directory, epoch);
}

/** What must be restored; null when the files here are those of the last owner. */
async function findRestore(
  name: string,
  deps: CopiesDeps,
): Promise<{ epoch: number; source: string; local: number | null } | null> {
  const ownership = deps.ownershipOf(name);
  if (ownership === null) return null;
  const { epoch, source } = ownership;
  const directory = deps.directoryOf(name);
  const local = await readEpoch(directory);
  if (local === epoch) return null;
  const isOwn = local !== null && epoch === local + 1 && source === (await deps.ownReplica(name, local));
  if (source !== null && !isOwn) return { epoch, source, local };
  await writeEpoch(directory, epoch);
  return null;
}

/**
 * Makes the files of a database, which another node owns and does not run, those of its replica. Its start waits until the
 * epoch is recorded: it would restore them again.
 *
 * @throws FathomError `conflict` when the file differs from that of the owner, or this node has become the owner, `not_found`,
 * `backup.failed`
 */
export async function receiveCopy(
  { name, source, sha256 }: WantedCopy,
  { signal, note, accept }: ReceiveOptions,
  deps: CopiesDeps,
): Promise<void> {
  const directory = deps.directoryOf(name);
  await deps.perName.run(name, async () => {
    if (deps.ownershipOf(name) !== null) throw new FathomError('conflict', `this node owns ${name} now`);
    const local = await readEpoch(directory);
    await restoreCopy(name, directory, { source, sha256, local, signal, note }, deps);
    const epoch = await accept();
    if (epoch !== null) await writeEpoch(directory, epoch);
  });
}

interface WantedRestore {
  source: string;
  /** That `data.db` must have; undefined for the copy of an owner. */
  sha256?: string;
  local: number | null;
  signal: AbortSignal;
  /** Called with the bytes that are there. Without it, they are not measured. */
  note?: (bytes: number) => void;
}

async function restoreCopy(
  name: string,
  directory: string,
  wanted: WantedRestore,
  deps: CopiesDeps,
): Promise<void> {
  const slots = wanted.sha256 === undefined ? deps.slots.owned : deps.slots.moving;
  const release = await slots.acquire(wanted.signal, { isUrgent: name === deps.controlPlane });
  if (release === null) throw new FathomError('conflict', 'the restore was ended');
  try {
    const { note } = wanted;
    note?.(0);
    const work = (noteRead: (bytes: number) => void) =>
      restoreInSlot(name, directory, { ...wanted, noteRead }, deps);
    await (note === undefined
      ? work(() => {})
      : withProgress(restoreDirOf(directory), { clock: deps.clock, note }, work));
  } finally {
    release();
  }
}

async function restoreInSlot(
  name: string,
  directory: string,
  { source, sha256, local, signal, noteRead }: WantedRestore & { noteRead: (bytes: number) => void },
  { controlPlane, restore, fetchFiles, log }: CopiesDeps,
): Promise<void> {
  await makePrivateDir(directory);
  const aside = await putAside(directory, local ?? 0);
  const staged = dataDirOf(restoreDirOf(directory));
  await removeTree(restoreDirOf(directory));
  await makePrivateDir(restoreDirOf(directory));
  await makePrivateDir(staged);
  await restore(source, join(staged, 'data.db'), signal);
  if (sha256 !== undefined && (await hashFile(join(staged, 'data.db'), noteRead)) !== sha256)
    throw new FathomError('conflict', `what was restored differs from data.db of its owner`);
  await fetchFiles(name, { dataDir: staged, known: aside, mayLack: sha256 === undefined });
  if (name === controlPlane) await writeFile(hasRunMarkerOf(directory), '', { mode: 0o600 });
  await rename(staged, dataDirOf(directory));
  await syncDirectory(directory);
  await removeTree(restoreDirOf(directory));
  log.warn({ instance: name, source }, `${name} was restored from the replica of its last owner`);
}

/** @returns the new path of the files; null without files */
async function putAside(directory: string, epoch: number): Promise<string | null> {
  const aside = join(directory, `${DIVERGED}${epoch}`);
  const files = dataDirOf(directory);
  if (!(await exists(files))) return (await exists(aside)) ? aside : null;
  // A restore was interrupted: no process has written to what it left.
  if (await exists(aside)) await removeTree(files);
  else {
    const former = (await readdir(directory)).filter((entry) => entry.startsWith(DIVERGED));
    for (const entry of former) await removeTree(join(directory, entry));
    await rename(files, aside);
  }
  return aside;
}

async function readEpoch(directory: string): Promise<number | null> {
  const text = await readFile(join(directory, EPOCH_FILE), 'utf8').catch(unlessMissing);
  return text === null ? null : Number(text);
}

/** The files in a directory are those of the owner with this epoch. */
export async function writeEpoch(directory: string, epoch: number): Promise<void> {
  await makePrivateDir(directory);
  await replaceFile(join(directory, EPOCH_FILE), String(epoch), { mode: 0o600, synced: true });
}
