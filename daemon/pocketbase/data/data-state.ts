import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import type { DiskInspector } from './disk-state.ts';

/** The state of an instance's files on the disk. PocketBase does not notice when they change: it serves from open files. */
export interface DataState {
  /** Why the process must stop: new data would be lost. Null without a problem. */
  broken: PhaseReason | null;
  /** Why some requests fail while the process can keep running. Null without a problem. */
  limited: PhaseReason | null;
}

/** Source: https://www.sqlite.org/fileformat2.html */
const DATABASE_MAGIC = 'SQLite format 3\0';
const WAL_MAGICS: ReadonlySet<number> = new Set([0x377f0682, 0x377f0683]);

/**
 * Returns a function that checks the files of the running process `pid`. It takes a few system calls while the files do not
 * change, so it can run at each probe.
 *
 * @param options.next the end of a remedy, see `restartHint`
 * @param options.launchedOn identity of the `data.db` that the process was started on; null when it is unknown
 * @param options.onReplaced called when the process itself opens another `data.db`, as after PocketBase's own restore
 */
export function dataInspector(
  dataDir: string,
  pid: number,
  {
    inspectDisk,
    next,
    launchedOn,
    onReplaced,
  }: { inspectDisk: DiskInspector; next: string; launchedOn: string | null; onReplaced: () => void },
): () => Promise<DataState> {
  /** Identities of the files that the process has open. */
  let openIdentities = '';
  let database = launchedOn;
  /** The stamp of files that were found undamaged. They are read again only when it changes. */
  let undamagedStamp: string | null = null;
  return async () => {
    const denied = accessReason(dataDir);
    if (denied) return { broken: null, limited: denied };
    const data = fileState(join(dataDir, 'data.db'));
    const logs = fileState(join(dataDir, 'auxiliary.db'));
    const wal = fileState(join(dataDir, 'data.db-wal'));
    const onDisk = [data, wal, logs].map((file) => file?.identity).join(' ');
    const isOpen = data !== null && logs !== null && onDisk === openIdentities;
    const misplaced = isOpen ? null : await misplacedReason(pid, dataDir, next);
    if (!misplaced) {
      openIdentities = onDisk;
      if (data !== null && database !== null && data.identity !== database) onReplaced();
      database = data?.identity ?? database;
    }
    const stamp = `${data?.stamp} ${wal?.stamp}`;
    const broken = misplaced ?? (stamp === undamagedStamp ? null : findDamage(dataDir, next));
    undamagedStamp = broken ? null : stamp;
    return { broken, limited: data ? await inspectDisk(data.device, dataDir) : null };
  };
}

/**
 * Why a process must not close its files normally: that would remove or overwrite other files at the same paths, or write
 * to damaged files. Null when it is safe.
 */
export async function unsafeToCloseReason(dataDir: string, pid: number): Promise<PhaseReason | null> {
  if (accessReason(dataDir)) return null;
  const next = 'then start it';
  return (await misplacedReason(pid, dataDir, next)) ?? findDamage(dataDir, next);
}

/** Why this user cannot access `data.db`; null when it can, or when the file is missing. */
function accessReason(dataDir: string): PhaseReason | null {
  try {
    accessSync(join(dataDir, 'data.db'), constants.R_OK | constants.W_OK);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' ? accessDenied(join(dataDir, 'data.db')) : null;
  }
}

/** Names the file or directory that denies access to a path, with its owner and mode. */
export function accessDenied(path: string): PhaseReason {
  const denying = denyingPart(path);
  const own = process.geteuid?.() ?? 0;
  let state = '';
  let remedy = `'chown ${own}' and 'chmod u+rwX' it`;
  try {
    const { uid, mode } = statSync(denying);
    state = ` (owner uid ${uid}, mode ${(mode & 0o777).toString(8).padStart(3, '0')})`;
    remedy = uid === own ? `run 'chmod u+rwX ${denying}'` : `run 'chown -R ${own} ${denying}'`;
  } catch {
    // Its parent directory denies access too.
  }
  return {
    code: 'permission_denied',
    message: `the user of the daemon (uid ${own}) cannot read and write ${denying}${state}; ${remedy}, the instance then works again by itself`,
  };
}

/** The first parent directory that cannot be entered; else the directory that cannot be written, or the file itself. */
function denyingPart(path: string): string {
  const parent = dirname(path);
  if (parent === path) return path;
  const denying = denyingPart(parent);
  if (denying !== parent) return denying;
  if (!allows(parent, constants.X_OK)) return parent;
  if (fileState(path) === null && !allows(parent, constants.W_OK)) return parent;
  return path;
}

/**
 * Why a new process could not use the files of an instance: no access to its directory, where the lock is created, to
 * `pb_data`, or to a file in it. Null when it could, or when the files are missing.
 */
export function unusableReason(directory: string, dataDir: string): PhaseReason | null {
  const lock = join(directory, 'lock');
  if (fileState(lock) === null && !allows(directory, constants.W_OK)) return accessDenied(lock);
  const files = DATABASES.flatMap((name) => [name, `${name}-wal`, `${name}-shm`]);
  const needed: [string, number][] = [
    [lock, constants.R_OK],
    [dataDir, constants.R_OK | constants.W_OK | constants.X_OK],
    ...files.map((file): [string, number] => [join(dataDir, file), constants.R_OK | constants.W_OK]),
  ];
  const denied = needed.find(([path, mode]) => !allows(path, mode));
  return denied ? accessDenied(denied[0]) : null;
}

/** Also true for a missing file and on a read-only file system, which are reported elsewhere. */
function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'EACCES' && code !== 'EPERM';
  }
}

/**
 * Damage that SQLite would refuse, or silently ignore, when it opens the files. Reads synchronously, because a start may wait
 * for it and the thread pool takes longer. Call it only for files that were readable just before.
 */
export function findDamage(dataDir: string, next: string): PhaseReason | null {
  const [database, wal] = ['data.db', 'data.db-wal'].map((file) => join(dataDir, file)) as [string, string];
  const special = [database, wal].find((path) => isSpecialFile(path));
  if (special !== undefined)
    return corrupt(`${special} is not a regular file; restore pb_data from a backup, ${next}`);
  const head = headOf(database, DATABASE_MAGIC.length);
  // PocketBase treats an empty file as a new database and prints a link that creates a superuser.
  if (head?.length === 0) {
    return corrupt(`${database} is empty; restore it from a backup, ${next}`);
  }
  if (head !== null && head.toString('latin1') !== DATABASE_MAGIC) {
    return corrupt(
      `pb_data/data.db is damaged: it does not begin like a database; restore it from a backup, ${next}`,
    );
  }
  const walHead = headOf(wal, 4);
  // A power failure may leave zeros, which contain no data. Any other invalid head makes SQLite ignore the WAL silently.
  if (walHead?.length === 4 && walHead.some((byte) => byte !== 0) && !isWal(walHead)) {
    return corrupt(
      `pb_data/data.db-wal, which has the latest changes, is damaged; restore pb_data from a backup, or move this file away to continue without them, ${next}`,
    );
  }
  return null;
}

/** Whether `data.db` exists, is not empty, and shows no damage at the begin of its files. */
export function hasUsableFiles(dataDir: string): boolean {
  const size = fileState(join(dataDir, 'data.db'))?.size ?? 0;
  return size > 0 && findDamage(dataDir, '') === null;
}

function corrupt(message: string): PhaseReason {
  return { code: 'database_corrupt', message };
}

/** The files of the process are no longer at their paths: new data would be lost when the process ends. */
async function misplacedReason(pid: number, dataDir: string, next: string): Promise<PhaseReason | null> {
  if (misplacedFiles(await openFiles(pid), dataDir).length === 0) return null;
  // Check twice: the process may have closed its files, or opened others, during the first check.
  const files = misplacedFiles(await openFiles(pid), dataDir);
  const file = files.find(({ role }) => role === 'data.db') ?? files[0];
  if (!file) return null;
  const path = join(dataDir, file.role);
  const exists = identityOf(path) !== null;
  if (exists || file.role !== 'data.db') {
    const change = exists ? 'replaced' : 'removed';
    return {
      code: 'data_dir_replaced',
      message: `${path} was ${change} while the process was running; the process is restarted with the current files`,
    };
  }
  const change = file.deleted ? 'was deleted' : `was moved to ${file.path}`;
  return {
    code: 'data_dir_missing',
    message: `${path} ${change} while the process was running; put it back, ${next}`,
  };
}

/** Open files that are not at their path. If a role is open twice, one file at its path is enough. */
function misplacedFiles(open: readonly OpenFile[] | null, dataDir: string): OpenFile[] {
  const files = open ?? [];
  return files.filter(({ role }) => {
    const onDisk = identityOf(join(dataDir, role));
    return !files.some((file) => file.role === role && file.identity === onDisk);
  });
}

export const DATABASES = ['data.db', 'auxiliary.db'] as const;
type DatabaseName = (typeof DATABASES)[number];
type DatabaseFile = DatabaseName | `${DatabaseName}-wal`;
const ROLES: readonly DatabaseFile[] = DATABASES.flatMap((name) => [name, `${name}-wal` as const]);

/** A database file that a process has open. */
export interface OpenFile {
  /** Its name for PocketBase, also after it was renamed. */
  role: DatabaseFile;
  /** The path in /proc, from which it can be read also after it was deleted. */
  handle: string;
  path: string;
  deleted: boolean;
  identity: string | null;
}

/** The open database files of a PocketBase process, each once; null when they cannot be read. */
export async function openFiles(pid: number): Promise<OpenFile[] | null> {
  const directory = `/proc/${pid}/fd`;
  let descriptors: string[];
  try {
    descriptors = await readdir(directory);
  } catch {
    return null;
  }
  const files = new Map<string, Omit<OpenFile, 'role'>>();
  for (const descriptor of descriptors.map(Number).toSorted((a, b) => a - b)) {
    const handle = join(directory, String(descriptor));
    const target = await readlink(handle).catch(() => '');
    if (!target.startsWith('/') || target.endsWith('-shm') || target.startsWith('/dev/')) continue;
    const path = target.replace(/ \(deleted\)$/, '');
    const identity = identityOf(handle);
    const key = identity ?? handle;
    if (!files.has(key)) files.set(key, { handle, path, deleted: path !== target, identity });
  }
  return withRoles([...files.values()]);
}

/** Finds roles by name; for renamed files by content, in the order in which PocketBase opens them. */
function withRoles(files: readonly Omit<OpenFile, 'role'>[]): OpenFile[] {
  const named = files.flatMap((file) => {
    const role = ROLES.find((name) => name === basename(file.path));
    return role ? [{ ...file, role }] : [];
  });
  return withRenamedWals([...named, ...renamedDatabases(named, files)], files);
}

function renamedDatabases(named: readonly OpenFile[], files: readonly Omit<OpenFile, 'role'>[]): OpenFile[] {
  const isMissing = (role: DatabaseFile) => !named.some((file) => file.role === role);
  const missing = DATABASES.filter((role) => isMissing(role) && !isMissing(`${role}-wal`));
  if (missing.length === 0) return [];
  const known = new Set(named.map(({ handle }) => handle));
  const renamed = files.filter(
    ({ handle }) =>
      !known.has(handle) && headOf(handle, DATABASE_MAGIC.length)?.toString('latin1') === DATABASE_MAGIC,
  );
  return missing.flatMap((role, index) => {
    const file = renamed[index];
    return file ? [{ ...file, role }] : [];
  });
}

/** Adds renamed WALs. A WAL without changes is empty: it cannot be recognized, and contains no data. */
function withRenamedWals(known: readonly OpenFile[], files: readonly Omit<OpenFile, 'role'>[]): OpenFile[] {
  const missing = DATABASES.filter(
    (name) => known.some(({ role }) => role === name) && !known.some(({ role }) => role === `${name}-wal`),
  );
  if (missing.length === 0) return [...known];
  const handles = new Set(known.map(({ handle }) => handle));
  const renamed = files.filter(({ handle }) => !handles.has(handle) && isWal(headOf(handle, 4)));
  // With fewer WALs than databases, their owner is unknown. A wrong WAL would damage a database.
  if (renamed.length !== missing.length) return [...known];
  return [
    ...known,
    ...missing.flatMap((name, index) => {
      const file = renamed[index];
      return file ? [{ ...file, role: `${name}-wal` as const }] : [];
    }),
  ];
}

function isWal(head: Buffer | null): boolean {
  return head?.length === 4 && WAL_MAGICS.has(head.readUInt32BE());
}

/** Identifies a file independent of its path; null when it cannot be read. */
function identityOf(path: string): string | null {
  return fileState(path)?.identity ?? null;
}

/**
 * The identity of a file, and a stamp that changes when the file changes; null when it cannot be read. Synchronous: the
 * kernel keeps name and inode of an open file in memory, and the thread pool would take many times as long at each probe.
 */
export function fileState(
  path: string,
): { identity: string; stamp: string; device: number; size: number } | null {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    const identity = `${dev}:${ino}`;
    return { identity, stamp: [identity, size, mtimeMs, ctimeMs].join(':'), device: dev, size };
  } catch {
    return null;
  }
}

/** Whether a path names a directory, a named pipe, a device or a socket. */
function isSpecialFile(path: string): boolean {
  try {
    return !statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The first bytes of a file; null when it cannot be read, which other checks report. */
export function headOf(path: string, length: number): Buffer | null {
  let file: number;
  try {
    // The open of a named pipe would block the daemon.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return null;
  }
  try {
    if (!fstatSync(file).isFile()) return null;
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(file, buffer, 0, length, 0));
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}
