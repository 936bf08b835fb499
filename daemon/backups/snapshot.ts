import { join } from 'node:path';
import { cloneOrCopy } from '../base/files/clone-or-copy.ts';
import { makeDirectory, unlessMissing } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import { closeDatabase } from '../pocketbase/data/close-databases.ts';
import { openDatabase } from '../pocketbase/data/sqlite.ts';

/** Waiting for a lock blocks the thread. Readers wait only while another process recovers the database. */
const LOCK_TIMEOUT_MS = 1_000;

/**
 * Copies `data.db` of a database that runs, sleeps or is stopped, as it is at one moment. Writers are not delayed: while the
 * read transaction is open, no process begins the WAL from its start, so the copies of the database and then of its WAL
 * always recover. Needs space for the copy where the file system shares no blocks, and leaves some space free.
 *
 * @param directory is created, or replaced; the copy has no WAL
 * @returns the path of the copy
 * @throws the error of SQLite or of a system call; UnsafeDatabase
 */
export async function copyDatabase(dataDir: string, directory: string): Promise<string> {
  const [source, copy] = [dataDir, directory].map((parent) => join(parent, 'data.db')) as [string, string];
  // A WAL of an interrupted copy would change this one.
  await removeTree(directory);
  await makeDirectory(directory);
  // It reads the schema only, so the rows need no check.
  const reader = openDatabase(source, { readOnly: true, isTrusted: true, timeoutMs: LOCK_TIMEOUT_MS });
  try {
    // The first read begins the transaction.
    reader.exec('BEGIN; SELECT 1 FROM sqlite_schema');
    await cloneOrCopy(source, copy);
    await cloneOrCopy(`${source}-wal`, `${copy}-wal`).catch(unlessMissing);
  } finally {
    reader.close();
  }
  closeDatabase(copy, { timeoutMs: LOCK_TIMEOUT_MS });
  return copy;
}
