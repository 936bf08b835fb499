import { lstat, open, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory, unlessMissing } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';

/** Beside `data.db`: what Litestream has sent, and has not sent yet. */
const DIRECTORY = '.data.db-litestream';
/** In it: the id of the replica that it belongs to. */
const REPLICA_FILE = 'fathom-replica';
const DAMAGED = /corrupted|no such file or directory/;
/** A file of single changes: its first and last transaction, which are the same. */
const CHANGES = /^([0-9a-f]{16})-([0-9a-f]{16})\.ltx$/;
/** How long PocketBase waits at most, when another process reads for long. */
const LOCK_TIMEOUT_MS = 250;

/** `data.db` of a database. @param directory that of the database */
export function fileOf(directory: string): string {
  return join(dataDirOf(directory), 'data.db');
}

/**
 * Removes the state of a database that belongs to another replica: Litestream would send the changes since then alone, which
 * cannot be restored. It stores the whole database again without it.
 *
 * @param file `data.db`, which Litestream does not have open
 * @param replica its id
 * @returns whether a state was removed
 */
export async function bindLocalState(file: string, replica: string): Promise<boolean> {
  const directory = localStateOf(file);
  const bound = join(directory, REPLICA_FILE);
  // A process of the database may have made links, and Litestream would follow them.
  const parts = [directory, join(directory, 'ltx'), changesOf(file)];
  const found = await Promise.all(parts.map((part) => lstat(part).catch(unlessMissing)));
  const isPlain = found[0]?.isDirectory() === true && found.every((stats) => stats?.isDirectory() !== false);
  if (isPlain && (await readFile(bound, 'utf8').catch(unlessMissing)) === replica) return false;
  await removeLocalState(file);
  await makeDirectory(directory);
  await replaceFile(bound, replica, { mode: 0o600, synced: false });
  return found[0] !== null;
}

/** Litestream then stores the whole database again. @param file `data.db`, which Litestream does not have open */
export async function removeLocalState(file: string): Promise<void> {
  await removeTree(localStateOf(file));
}

/** Whether a line of Litestream's log says that the state of a database is damaged, as after a power failure. */
export function isLocalDamage(line: string, file: string): boolean {
  return line.includes(`${localStateOf(file)}/`) && DAMAGED.test(line);
}

/** Up to where Litestream has read the WAL. */
export interface WalPosition {
  transaction: bigint;
  /** The end of what it has read, in bytes. */
  end: bigint;
  /** Random numbers in the header of the WAL and of its frames, in hex. SQLite changes them when it begins at the start again. */
  salts: string;
}

/** The last position; null before the first. @param file `data.db` */
export async function readPosition(file: string): Promise<WalPosition | null> {
  const names = (await readdir(changesOf(file)).catch(unlessMissing)) ?? [];
  const last = names
    .filter((name) => CHANGES.test(name))
    .toSorted()
    .at(-1);
  return last === undefined ? null : ((await readChanges(file, last))?.position ?? null);
}

/**
 * How Litestream goes on after its end. While it runs, SQLite keeps all frames that it has not read. After a kill, SQLite can
 * write them to `data.db` and begin the WAL at its start again. When the last frame that Litestream has read is still behind
 * the new ones, Litestream 0.5.17 takes the new ones as the next, and the changes between are in no replica.
 *
 *   continues  the WAL has all frames since then
 *   whole      the WAL was removed or truncated, and Litestream stores the whole database
 *   unproven   frames may be missing
 *
 * @param file `data.db`
 */
export async function readContinuity(
  file: string,
  position: WalPosition,
): Promise<'continues' | 'whole' | 'unproven'> {
  const wal = await open(`${file}-wal`, 'r').catch(unlessMissing);
  if (wal === null) return 'whole';
  try {
    const { size } = await wal.stat({ bigint: true });
    if (size < position.end) return 'whole';
    const header = Buffer.alloc(WAL_HEADER_BYTES);
    await wal.read(header, 0, header.length, 0);
    return saltsAt(header, 16) === position.salts ? 'continues' : 'unproven';
  } finally {
    await wal.close();
  }
}

/**
 * Whether the first changes that Litestream has read since a position follow it. SQLite can begin the WAL again after
 * `readContinuity`, before Litestream has opened the database.
 */
export async function hasContinued(file: string, from: WalPosition): Promise<boolean> {
  const transaction = (from.transaction + 1n).toString(16).padStart(16, '0');
  const next = await readChanges(file, `${transaction}-${transaction}.ltx`);
  // Without changes, Litestream has seen that the WAL ends there.
  return next === null || (next.position.salts === from.salts && next.begin === from.end);
}

/**
 * Writes the WAL into the database and removes its frames, so that Litestream finds none that it has read, and stores the
 * whole database. PocketBase may run.
 *
 * @param file `data.db`
 * @throws Error while another process reads or writes
 */
export function forgetFrames(file: string): void {
  const row = withDatabase(file, { readOnly: false, timeoutMs: LOCK_TIMEOUT_MS }, (database) =>
    database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get(),
  );
  if (row?.['busy'] !== 0) throw new Error('the database is busy; Fathom tries again');
}

/** A header of a WAL, as SQLite writes it. */
const WAL_HEADER_BYTES = 32;
/** A header of a file of changes (LTX). */
const HEADER_BYTES = 100;

/** Null without the file. */
async function readChanges(
  file: string,
  name: string,
): Promise<{ begin: bigint; position: WalPosition } | null> {
  const opened = await open(join(changesOf(file), name), 'r').catch(unlessMissing);
  if (opened === null) return null;
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await opened.read(header, 0, header.length, 0);
    // Litestream itself says that it is damaged.
    if (bytesRead < header.length || header.toString('latin1', 0, 4) !== 'LTX1') return null;
    const begin = header.readBigUInt64BE(48);
    return {
      begin,
      position: {
        transaction: header.readBigUInt64BE(24),
        end: begin + header.readBigUInt64BE(56),
        salts: saltsAt(header, 64),
      },
    };
  } finally {
    await opened.close();
  }
}

function saltsAt(header: Buffer, offset: number): string {
  return header.toString('hex', offset, offset + 8);
}

function changesOf(file: string): string {
  return join(localStateOf(file), 'ltx', '0');
}

function localStateOf(file: string): string {
  return join(dirname(file), DIRECTORY);
}
