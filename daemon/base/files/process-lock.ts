import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../../shared/errors.ts';

/** Keeps open databases from the garbage collector: it would close them and release their locks. */
const held = new Set<DatabaseSync>();

/**
 * Locks a file for the lifetime of this process. Node has no file locks, so the lock is taken by SQLite in exclusive mode
 * on an empty file. The kernel releases it when the process ends. Child processes do not inherit it.
 *
 * @param path of the file, created when missing and left behind; no other user should be able to open it
 * @returns the function that releases the lock; null while another process holds it
 */
export function lockForProcess(path: string): (() => void) | null {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // A journal in memory: the lock then needs no space on the disk.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (/database is locked/.test(messageOf(error))) return null;
    throw error;
  }
  held.add(database);
  return () => {
    held.delete(database);
    database.close();
  };
}
