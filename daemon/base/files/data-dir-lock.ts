import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { isDiskFull } from './dir.ts';
import { lockDirectory } from './directory-lock.ts';
import { readPid } from './pid-file.ts';
import { lockForProcess } from './process-lock.ts';

export interface DataDirLock {
  /** Writes the PID file again when it was removed. */
  restorePidFile: () => void;
  release: () => void;
}

/**
 * Makes this process the only daemon of a data directory, for as long as it lives.
 *
 * @param dataDir the data directory, with the directory `run` in it
 * @throws FathomError `data_dir.locked`, `data_dir.unusable`
 */
export function lockDataDir(dataDir: string): DataDirLock {
  const runDir = join(dataDir, 'run');
  const pidFile = join(runDir, 'fathomd.pid');
  try {
    const unlock = lock(dataDir, runDir);
    if (unlock === null) throw lockedByAnother(dataDir, readPid(pidFile));
    try {
      writePid(pidFile);
    } catch (error) {
      unlock();
      throw error;
    }
    return {
      restorePidFile: () => {
        if (readPid(pidFile) === null) writePid(pidFile);
      },
      release: () => {
        // Before the unlock: after it, the file may belong to the next daemon.
        if (readPid(pidFile) === process.pid) rmSync(pidFile, { force: true });
        unlock();
      },
    };
  } catch (error) {
    if (error instanceof FathomError) throw error;
    throw new FathomError(
      'data_dir.unusable',
      `cannot write to ${runDir}: ${messageOf(error)}; make the user that runs fathomd its owner, or set FATHOM_DATA_DIR`,
      { cause: error },
    );
  }
}

/** Locks the directory, and the file that older releases lock. Another daemon needs both. */
function lock(dataDir: string, runDir: string): (() => void) | null {
  const unlockFile = lockForProcess(join(runDir, 'daemon.lock'));
  if (unlockFile === null) return null;
  const unlockDirectory = lockDirectoryIfPossible(dataDir);
  if (unlockDirectory === null) {
    unlockFile();
    return null;
  }
  return () => {
    unlockDirectory();
    unlockFile();
  };
}

/** Some file systems, such as NFS, cannot lock directories. There the lock file alone is used. */
function lockDirectoryIfPossible(dataDir: string): (() => void) | null {
  try {
    return lockDirectory(dataDir);
  } catch {
    return () => {};
  }
}

function lockedByAnother(dataDir: string, pid: number | null): FathomError {
  const holder = pid === null ? '' : ` (pid ${pid})`;
  return new FathomError(
    'data_dir.locked',
    `another fathomd${holder} uses this data directory (${dataDir}); stop it first, or set FATHOM_DATA_DIR`,
  );
}

/** Best effort on a full disk: the file only names the holder of the lock. */
function writePid(pidFile: string): void {
  try {
    // Something else under this name, like a named pipe, would block the write.
    rmSync(pidFile, { force: true });
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    // A truncated number would name another process.
    rmSync(pidFile, { force: true });
  }
}
