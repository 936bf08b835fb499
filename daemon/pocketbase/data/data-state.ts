import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import type { LimitsOfDisk } from './disk-state.ts';

/**
 * What can be seen of an instance's files without asking PocketBase, which goes on serving from its memory and its open
 * files whatever happens to those on the disk. Two system calls while they do not change, so it may be asked at each probe.
 */
export interface DataState {
  /** It must not go on: what it is given from now on would be lost. Null when nothing is wrong. */
  broken: PhaseReason | null;
  /** It may go on, though not everything works. */
  limited: PhaseReason | null;
}

/** Source: https://www.sqlite.org/fileformat2.html */
const DATABASE_MAGIC = 'SQLite format 3\0';
const WAL_MAGICS: ReadonlySet<number> = new Set([0x377f0682, 0x377f0683]);

/**
 * Looks at the files of an instance, again and again, while the process `pid` serves from them.
 *
 * @param options.next what starts it again once they are repaired, see `restartHint`
 * @param options.launchedOn the `data.db` that the process was started on; null where that is not known
 * @param options.onReplaced called when the process itself goes on with another `data.db`, as after PocketBase's own restore
 */
export function dataInspector(
  dataDir: string,
  pid: number,
  {
    limitsOfDisk,
    next,
    launchedOn,
    onReplaced,
  }: { limitsOfDisk: LimitsOfDisk; next: string; launchedOn: string | null; onReplaced: () => void },
): () => Promise<DataState> {
  /** The files that the process was seen to have open. */
  let held = '';
  let database = launchedOn;
  /** What the files were when they were seen to be undamaged: read again only once that has changed. */
  let sound: string | null = null;
  return async () => {
    const denied = whyNotSeen(dataDir);
    if (denied) return { broken: null, limited: denied };
    const data = glance(join(dataDir, 'data.db'));
    const logs = glance(join(dataDir, 'auxiliary.db'));
    const wal = glance(join(dataDir, 'data.db-wal'));
    const onDisk = [data, wal, logs].map((file) => file?.identity).join(' ');
    const isHeld = data !== null && logs !== null && onDisk === held;
    const moved = isHeld ? null : await strayReason(pid, dataDir, next);
    if (!moved) {
      held = onDisk;
      if (data !== null && database !== null && data.identity !== database) onReplaced();
      database = data?.identity ?? database;
    }
    const seen = `${data?.stamp} ${wal?.stamp}`;
    const broken = moved ?? (seen === sound ? null : damageOf(dataDir, next));
    sound = broken ? null : seen;
    return { broken, limited: data ? await limitsOfDisk(data.device, dataDir) : null };
  };
}

/**
 * Why a process must not close its files: closing removes and overwrites files by their paths, where others lie by now, or
 * writes to what is damaged. Null when it may.
 */
export async function whyNotClose(dataDir: string, pid: number): Promise<PhaseReason | null> {
  if (whyNotSeen(dataDir)) return null;
  const next = 'then start it';
  return (await strayReason(pid, dataDir, next)) ?? damageOf(dataDir, next);
}

/** Why the files of an instance can be neither seen nor opened; null when they can, or are not there. */
export function whyNotSeen(dataDir: string): PhaseReason | null {
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
    // The directory above it denies even a look.
  }
  return {
    code: 'permission_denied',
    message: `${denying}${state} cannot be read and written by the user of the daemon (uid ${own}); ${remedy}, the instance then works again by itself`,
  };
}

/** The first directory on the way that cannot be entered; else the one that takes no new file, or the file itself. */
function denyingPart(path: string): string {
  const above = dirname(path);
  if (above === path) return path;
  const denying = denyingPart(above);
  if (denying !== above) return denying;
  if (!allows(above, constants.X_OK)) return above;
  if (glance(path) === null && !allows(above, constants.W_OK)) return above;
  return path;
}

/**
 * Why the files of an instance cannot be used by a process that is started on them: its directory, where the lock is made, its
 * `pb_data`, or one of the files in there. Null when they can, or are not there.
 */
export function whyNotUsable(directory: string, dataDir: string): PhaseReason | null {
  const lock = join(directory, 'lock');
  if (glance(lock) === null && !allows(directory, constants.W_OK)) return accessDenied(lock);
  const files = DATABASES.flatMap((name) => [name, `${name}-wal`, `${name}-shm`]);
  const needed: [string, number][] = [
    [lock, constants.R_OK],
    [dataDir, constants.R_OK | constants.W_OK | constants.X_OK],
    ...files.map((file): [string, number] => [join(dataDir, file), constants.R_OK | constants.W_OK]),
  ];
  const denied = needed.find(([path, mode]) => !allows(path, mode));
  return denied ? accessDenied(denied[0]) : null;
}

/** True for what is not there as well, and on a read-only file system: both have reasons of their own. */
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
 * What SQLite would refuse, or silently leave out, when the files are opened. Reads in place, as a start may wait for it and
 * trips through the thread pool take longer: call it for files that could be looked at a moment ago.
 */
export function damageOf(dataDir: string, next: string): PhaseReason | null {
  const [database, wal] = ['data.db', 'data.db-wal'].map((file) => join(dataDir, file)) as [string, string];
  const head = headOf(database, DATABASE_MAGIC.length);
  // PocketBase takes an empty file for a new database, and prints a link that makes whoever opens it a superuser.
  if (head?.length === 0) {
    return corrupt(`${database} is empty; restore it from a backup, ${next}`);
  }
  if (head !== null && head.toString('latin1') !== DATABASE_MAGIC) {
    return corrupt(
      `pb_data/data.db is damaged: it does not begin as a database does; restore it from a backup, ${next}`,
    );
  }
  const walHead = headOf(wal, 4);
  // Zeros are what a power failure may leave, and hold nothing. Anything else SQLite would drop without a word.
  if (walHead?.length === 4 && walHead.some((byte) => byte !== 0) && !isWal(walHead)) {
    return corrupt(
      `pb_data/data.db-wal, which holds the latest changes, is damaged; restore pb_data from a backup, or move this file away to go on without them, ${next}`,
    );
  }
  return null;
}

function corrupt(message: string): PhaseReason {
  return { code: 'database_corrupt', message };
}

/** The files on the disk are not the ones that the process has open: what it writes will be gone with it. */
async function strayReason(pid: number, dataDir: string, next: string): Promise<PhaseReason | null> {
  if (straysOf(await openFiles(pid), dataDir).length === 0) return null;
  // A process that closed its files, or began to use others, between the two looks at it is seen again as it is now.
  const strays = straysOf(await openFiles(pid), dataDir);
  const stray = strays.find(({ role }) => role === 'data.db') ?? strays[0];
  if (!stray) return null;
  const file = join(dataDir, stray.role);
  const isThere = identityOf(file) !== null;
  if (isThere || stray.role !== 'data.db') {
    const what = isThere ? 'replaced' : 'removed';
    return {
      code: 'data_dir_replaced',
      message: `${file} was ${what} under the running process, which is restarted on the files that are there now`,
    };
  }
  const where = stray.deleted ? 'was deleted' : `was moved to ${stray.path}`;
  return {
    code: 'data_dir_missing',
    message: `${file} ${where} under the running process; put it back, ${next}`,
  };
}

/** Files that are open and not in their place. One that is in its place is enough where a role is held twice. */
function straysOf(held: readonly OpenFile[] | null, dataDir: string): OpenFile[] {
  const files = held ?? [];
  return files.filter(({ role }) => {
    const onDisk = identityOf(join(dataDir, role));
    return !files.some((file) => file.role === role && file.identity === onDisk);
  });
}

export const DATABASES = ['data.db', 'auxiliary.db'] as const;
type DatabaseName = (typeof DATABASES)[number];
type DatabaseFile = DatabaseName | `${DatabaseName}-wal`;
const ROLES: readonly DatabaseFile[] = DATABASES.flatMap((name) => [name, `${name}-wal` as const]);

/** A file that a process has open. */
export interface OpenFile {
  /** What it is to PocketBase, whatever its name is by now. */
  role: DatabaseFile;
  /** To read it by, even though it has no name any more. */
  handle: string;
  path: string;
  deleted: boolean;
  identity: string | null;
}

/** PocketBase's database files that a process has open, each once; null where that cannot be seen. */
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

/** By their names; those that were renamed by what they hold, in the order in which PocketBase opens them. */
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

/** A WAL that was renamed. Nothing is written into it before the first change, so an empty one has no sign and nothing to lose. */
function withRenamedWals(known: readonly OpenFile[], files: readonly Omit<OpenFile, 'role'>[]): OpenFile[] {
  const missing = DATABASES.filter(
    (name) => known.some(({ role }) => role === name) && !known.some(({ role }) => role === `${name}-wal`),
  );
  if (missing.length === 0) return [...known];
  const handles = new Set(known.map(({ handle }) => handle));
  const renamed = files.filter(({ handle }) => !handles.has(handle) && isWal(headOf(handle, 4)));
  // With fewer WALs than databases without one, it is not known whose it is: that of another would damage a database.
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

/** Names a file, whatever its path; null where it cannot be seen. */
function identityOf(path: string): string | null {
  return glance(path)?.identity ?? null;
}

/**
 * In place: as long as a process has a file open, the kernel has its name and inode in memory, so this does not wait for the
 * disk, and a trip through the thread pool, at each probe of a fleet, takes many times as long. `stamp` changes whenever the file does.
 */
export function glance(
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

/** The first bytes of a file; null where it cannot be read now, which others find out better. */
function headOf(path: string, length: number): Buffer | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(file, buffer, 0, length, 0));
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}
