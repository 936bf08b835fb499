import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { PhaseReason } from '../../shared/instance.ts';
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
 * @param options.next what starts it again once they are repaired, see `onceMended`
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
    return code === 'EACCES' || code === 'EPERM' ? accessDenied(dataDir) : null;
  }
}

/** Names what cannot be entered or opened. */
export function accessDenied(path: string): PhaseReason {
  return {
    code: 'permission_denied',
    message: `${path} cannot be read and written by the user of the daemon; correct its owner and mode ('fathomd doctor' names them), the instance then works again by itself`,
  };
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
  if (
    walHead?.length === 4 &&
    walHead.some((byte) => byte !== 0) &&
    !WAL_MAGICS.has(walHead.readUInt32BE())
  ) {
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
  const isMissing = (role: DatabaseFile) => !named.some((file) => file.role === role);
  const missing = DATABASES.filter((role) => isMissing(role) && !isMissing(`${role}-wal`));
  if (missing.length === 0) return named;
  const known = new Set(named.map(({ handle }) => handle));
  const renamed = files.filter(
    ({ handle }) =>
      !known.has(handle) && headOf(handle, DATABASE_MAGIC.length)?.toString('latin1') === DATABASE_MAGIC,
  );
  return [
    ...named,
    ...missing.flatMap((role, index) => {
      const file = renamed[index];
      return file ? [{ ...file, role }] : [];
    }),
  ];
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
