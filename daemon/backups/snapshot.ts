import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneOrCopy } from '../base/files/clone-or-copy.ts';
import { makeDirectory, unlessMissing } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { closeDatabase } from '../pocketbase/data/close-databases.ts';
import { openDatabase } from '../pocketbase/data/sqlite.ts';

/** Waiting for a lock blocks the thread. Readers wait only while another process recovers the database. */
const LOCK_TIMEOUT_MS = 1_000;
/** Bytes of the head of a WAL, with numbers that differ each time it is begun again. */
const WAL_HEAD_BYTES = 32;
const MAX_TRIES = 5;
/** A link or a pipe is of no database. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

type CopyOne = typeof cloneOrCopy;

/**
 * Copies `data.db` of a database that runs, sleeps or is stopped, as it is at one moment. Writers are not delayed: while the
 * read transaction is open, no process moves pages that it does not see into the database, and a WAL with pages that the
 * database lacks is not begun again. One whose pages are all in the database can be: then both are copied again. Needs space
 * for the copy where the file system shares no blocks, and leaves some space free.
 *
 * @param directory is created, or replaced; the copy has no WAL
 * @returns the path of the copy
 * @throws the error of SQLite or of a system call; UnsafeDatabase
 */
export async function copyDatabase(
  dataDir: string,
  directory: string,
  copyOne: CopyOne = cloneOrCopy,
): Promise<string> {
  const [source, copy] = [dataDir, directory].map((parent) => join(parent, 'data.db')) as [string, string];
  // A WAL of an interrupted copy would change this one.
  await removeTree(directory);
  await makeDirectory(directory);
  // It reads the schema only, so the rows need no check.
  const reader = openDatabase(source, { readOnly: true, isTrusted: true, timeoutMs: LOCK_TIMEOUT_MS });
  try {
    // The first read begins the transaction.
    reader.exec('BEGIN; SELECT 1 FROM sqlite_schema');
    await copyFiles(source, copy, copyOne);
  } finally {
    reader.close();
  }
  closeDatabase(copy, { timeoutMs: LOCK_TIMEOUT_MS });
  return copy;
}

/** @throws an Error when the WAL is begun again during each try */
async function copyFiles(source: string, copy: string, copyOne: CopyOne): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const before = await readWalHead(`${source}-wal`);
    for (const path of [copy, `${copy}-wal`]) await rm(path, { force: true });
    await copyOne(source, copy);
    await copyOne(`${source}-wal`, `${copy}-wal`).catch(unlessMissing);
    const after = await readWalHead(`${source}-wal`);
    // Rows that were added at its end are complete, or ignored.
    if (before.head.equals(after.head) && before.bytes <= after.bytes) return;
  }
  throw new Error(`the WAL of ${source} was begun again during each of ${MAX_TRIES} copies; try again later`);
}

async function readWalHead(path: string): Promise<{ head: Buffer; bytes: number }> {
  const opened = await open(path, OPEN_FLAGS).catch(unlessMissing);
  if (!opened) return { head: Buffer.alloc(0), bytes: 0 };
  await using file = opened;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(WAL_HEAD_BYTES), 0, WAL_HEAD_BYTES, 0);
  return { head: buffer.subarray(0, bytesRead), bytes: (await file.stat()).size };
}
