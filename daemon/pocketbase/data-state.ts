import { type FileHandle, open, readdir, readlink, stat, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { PhaseReason } from '../../shared/instance.ts';

/**
 * What can be seen of an instance's files without asking PocketBase, which goes on serving from its memory and its open
 * files whatever happens to those on the disk. A few system calls, so it may be asked at each probe.
 */
export interface DataState {
  /** It must not go on: what it is given from now on would be lost. Null when nothing is wrong. */
  broken: PhaseReason | null;
  /** It may go on, though not everything works. */
  limited: PhaseReason | null;
}

/** With less than this a write of some size fails. */
const FULL_BYTES = 1024 * 1024;
/** Source: https://www.sqlite.org/fileformat2.html */
const DATABASE_MAGIC = 'SQLite format 3\0';
const WAL_MAGICS: ReadonlySet<number> = new Set([0x377f0682, 0x377f0683]);

/** Looks at the files of an instance, again and again, while the process `pid` serves from them. */
export function dataInspector(dataDir: string, pid: number): () => Promise<DataState> {
  /** The file that the process was seen to have open. */
  let known: string | null = null;
  return async () => {
    const onDisk = await identityOf(join(dataDir, 'data.db'));
    const moved = onDisk !== null && onDisk === known ? null : await movedAway(dataDir, pid, onDisk);
    if (!moved) known = onDisk;
    return {
      broken: moved ?? (await damageOf(dataDir)),
      limited: (await readOnly(dataDir)) ?? (await diskFull(dataDir)),
    };
  };
}

/** What SQLite would refuse, or silently leave out, when the files are opened. */
export async function damageOf(dataDir: string): Promise<PhaseReason | null> {
  const [database, wal] = ['data.db', 'data.db-wal'].map((file) => join(dataDir, file)) as [string, string];
  const head = await headOf(database, DATABASE_MAGIC.length);
  // PocketBase takes an empty file for a new database, and prints a link that makes whoever opens it a superuser.
  if (head?.length === 0) {
    return corrupt(`${database} is empty; restore it from a backup and force a restart`);
  }
  if (head !== null && head.toString('latin1') !== DATABASE_MAGIC) {
    return corrupt(
      `pb_data/data.db is damaged: it does not begin as a database does; restore it from a backup and force a restart`,
    );
  }
  const walHead = await headOf(wal, 4);
  // Zeros are what a power failure may leave, and hold nothing. Anything else SQLite would drop without a word.
  if (
    walHead?.length === 4 &&
    walHead.some((byte) => byte !== 0) &&
    !WAL_MAGICS.has(walHead.readUInt32BE())
  ) {
    return corrupt(
      `pb_data/data.db-wal, which holds the latest changes, is damaged; restore pb_data from a backup, or move this file away to go on without them, and force a restart`,
    );
  }
  return null;
}

function corrupt(message: string): PhaseReason {
  return { code: 'database_corrupt', message };
}

/** Nothing can be written, whoever asks. */
export async function readOnly(dataDir: string): Promise<PhaseReason | null> {
  try {
    // Only opening tells: after an error, access(2) still says yes on some file systems.
    await using file = await open(join(dataDir, 'data.db'), 'r+');
    void file;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') {
      return {
        code: 'read_only',
        message: `the file system of ${dataDir} is read-only; see 'dmesg' for why, then 'mount -o remount,rw' it; writes work again by themselves`,
      };
    }
  }
  return null;
}

async function diskFull(dataDir: string): Promise<PhaseReason | null> {
  const disk = await statfs(dataDir).catch(() => null);
  if (disk === null || disk.bavail * disk.bsize >= FULL_BYTES) return null;
  return {
    code: 'disk_full',
    message: `the disk of ${dataDir} is full, so writes fail; free some space, they then work again by themselves`,
  };
}

/** The files on the disk are not the ones that the process has open: what it writes will be gone with it. */
async function movedAway(dataDir: string, pid: number, onDisk: string | null): Promise<PhaseReason | null> {
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
    message: `${database} ${where} under the running process; put it back and force a restart`,
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
      return { handle, path, deleted: path !== target, identity: await identityOf(handle) };
    }),
  );
  return files.filter((file) => file !== null);
}

async function identityOf(path: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

/** The first bytes of a file; null where it cannot be read now, which others find out better. */
async function headOf(path: string, length: number): Promise<Buffer | null> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch {
    return null;
  }
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return null;
  } finally {
    await file.close();
  }
}
