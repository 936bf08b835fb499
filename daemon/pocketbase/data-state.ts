import { closeSync, openSync, readSync, statSync } from 'node:fs';
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
 * @param next what starts it again once they are mended, see `onceMended`
 */
export function dataInspector(
  dataDir: string,
  pid: number,
  limitsOfDisk: LimitsOfDisk,
  next: string,
): () => Promise<DataState> {
  /** The file that the process was seen to have open. */
  let held: string | null = null;
  /** What the files were when they were seen to be undamaged: read again only once that has changed. */
  let sound: string | null = null;
  return async () => {
    const data = glance(join(dataDir, 'data.db'));
    const wal = glance(join(dataDir, 'data.db-wal'));
    const onDisk = data?.identity ?? null;
    const moved = onDisk !== null && onDisk === held ? null : await movedAway(dataDir, pid, onDisk, next);
    if (!moved) held = onDisk;
    const seen = `${data?.stamp} ${wal?.stamp}`;
    const broken = moved ?? (seen === sound ? null : damageOf(dataDir, next));
    sound = broken ? null : seen;
    return { broken, limited: data ? await limitsOfDisk(data.device, dataDir) : null };
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
async function movedAway(
  dataDir: string,
  pid: number,
  onDisk: string | null,
  next: string,
): Promise<PhaseReason | null> {
  const database = join(dataDir, 'data.db');
  const held = await openFiles(pid);
  if (held === null || held.some(({ identity }) => identity === onDisk)) return null;
  const mine = held.find(({ path }) => basename(path) === 'data.db');
  // Not opened yet, or not to be seen.
  if (!mine) return null;
  if (onDisk !== null) {
    return {
      code: 'data_dir_replaced',
      message: `${database} was replaced under the running process, which is ended so that the new one is used`,
    };
  }
  const where = mine.deleted ? 'was deleted' : `was moved to ${mine.path}`;
  return {
    code: 'data_dir_missing',
    message: `${database} ${where} under the running process; put it back, ${next}`,
  };
}

/** A file that a process has open. */
export interface OpenFile {
  /** To read it by, even though it has no name any more. */
  handle: string;
  path: string;
  deleted: boolean;
  identity: string | null;
}

const DATABASE_FILE = /\/(?:data|auxiliary)\.db(?:-wal)?$/;

/** PocketBase's database files that a process has open; null where that cannot be seen. */
export async function openFiles(pid: number): Promise<OpenFile[] | null> {
  const directory = `/proc/${pid}/fd`;
  let descriptors: string[];
  try {
    descriptors = await readdir(directory);
  } catch {
    return null;
  }
  const files = await Promise.all(
    descriptors.map(async (descriptor): Promise<OpenFile | null> => {
      const handle = join(directory, descriptor);
      const target = await readlink(handle).catch(() => '');
      const path = target.replace(/ \(deleted\)$/, '');
      if (!DATABASE_FILE.test(path)) return null;
      return { handle, path, deleted: path !== target, identity: identityOf(handle) };
    }),
  );
  return files.filter((file) => file !== null);
}

/** Names a file, whatever its path; null where it cannot be seen. */
function identityOf(path: string): string | null {
  return glance(path)?.identity ?? null;
}

/**
 * In place: as long as a process has a file open, the kernel has its name and inode in memory, so this does not wait for the
 * disk, and a trip through the thread pool, at each probe of a fleet, takes many times as long. `stamp` changes whenever the file does.
 */
export function glance(path: string): { identity: string; stamp: string; device: number } | null {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    const identity = `${dev}:${ino}`;
    return { identity, stamp: [identity, size, mtimeMs, ctimeMs].join(':'), device: dev };
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
