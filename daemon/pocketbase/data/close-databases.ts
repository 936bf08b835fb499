import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { type OpenOptions, withDatabase } from './sqlite.ts';

const FILES = ['data.db', 'auxiliary.db'];

/**
 * Writes the WALs of databases without a process into their files and removes them, as PocketBase does at its end. A copy of
 * the files is then complete, and the WALs, of up to 4 MB each, take no space.
 *
 * @throws the error of SQLite, for example when another process uses a database
 */
export function closeDatabases(dataDir: string): void {
  for (const file of FILES) {
    const path = join(dataDir, file);
    const wal = lstatSync(`${path}-wal`, { throwIfNoEntry: false });
    if (wal === undefined) continue;
    closeDatabase(path);
  }
}

/** The same for one file. */
export function closeDatabase(path: string, options: Omit<OpenOptions, 'readOnly'> = {}): void {
  withDatabase(path, { ...options, readOnly: false }, (database) =>
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)'),
  );
}
