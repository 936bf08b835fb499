import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FathomError, messageOf } from '../../shared/errors.ts';

/** Kept from the garbage collector, which would close a file that nobody holds, and so let go of its lock. */
const held = new Set<DatabaseSync>();

/**
 * Makes this process the only daemon of a data directory, for as long as it lives. The lock is the kernel's, taken through
 * SQLite's exclusive mode (Node has no file locks of its own), so it goes with the process however that ends.
 *
 * @param runDir where the lock file lies; it has to be there
 * @returns what releases the lock
 * @throws FathomError `data_dir.locked`, `data_dir.unusable`
 */
export function lockDataDir(runDir: string): () => void {
  const pidFile = join(runDir, 'fathomd.pid');
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(join(runDir, 'daemon.lock'), { timeout: 0 });
  } catch (error) {
    throw unusable(runDir, error);
  }
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    database.close();
    if (!/database is locked/.test(messageOf(error))) throw unusable(runDir, error);
    throw new FathomError(
      'data_dir.locked',
      `another fathomd${holder(pidFile)} uses this data directory (${runDir}); stop it first, or set FATHOM_DATA_DIR`,
      { cause: error },
    );
  }
  held.add(database);
  return () => {
    held.delete(database);
    // While it still holds the lock, so that it is not the next one's.
    if (holder(pidFile) === nameOf(process.pid)) rmSync(pidFile, { force: true });
    database.close();
  };
}

function unusable(runDir: string, error: unknown): FathomError {
  return new FathomError(
    'data_dir.unusable',
    `${runDir} cannot be written: ${messageOf(error)}; give it to the user that runs fathomd, or set FATHOM_DATA_DIR`,
    { cause: error },
  );
}

function holder(pidFile: string): string {
  try {
    return nameOf(readFileSync(pidFile, 'utf8').trim());
  } catch {
    return '';
  }
}

function nameOf(pid: number | string): string {
  return ` (pid ${pid})`;
}
