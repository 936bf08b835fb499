import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../../shared/errors.ts';

/** Kept from the garbage collector, which would close a file that nobody holds, and so let go of its lock. */
const held = new Set<DatabaseSync>();

/**
 * Takes a lock for as long as this process lives. It is the kernel's, taken through SQLite's exclusive mode on an empty file
 * (Node has no file locks of its own), so it goes with the process however that ends, and what it starts does not inherit it.
 *
 * @param path of the file, which is made when missing and left behind; nobody else should be able to open it
 * @returns what releases the lock; null while another process has it
 */
export function lockForProcess(path: string): (() => void) | null {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Without a journal the lock needs no space on the disk.
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
