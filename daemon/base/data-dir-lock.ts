import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { lockForProcess } from './process-lock.ts';

/** errno(3): no space, and no space left for this user. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Makes this process the only daemon of a data directory, for as long as it lives.
 *
 * @param runDir where the lock file lies; it has to be there
 * @returns what releases the lock
 * @throws FathomError `data_dir.locked`, `data_dir.unusable`
 */
export function lockDataDir(runDir: string): () => void {
  const pidFile = join(runDir, 'fathomd.pid');
  const unlock = lock(runDir, pidFile);
  if (unlock === null) {
    const holder = pidIn(pidFile);
    const who = holder === null ? '' : ` (pid ${holder})`;
    throw new FathomError(
      'data_dir.locked',
      `another fathomd${who} uses this data directory (${runDir}); stop it first, or set FATHOM_DATA_DIR`,
    );
  }
  return () => {
    // While it still holds the lock, so that it is not the next one's.
    if (pidIn(pidFile) === String(process.pid)) rmSync(pidFile, { force: true });
    unlock();
  };
}

function lock(runDir: string, pidFile: string): (() => void) | null {
  let unlock: (() => void) | null = null;
  try {
    unlock = lockForProcess(join(runDir, 'daemon.lock'));
    if (unlock) notePid(pidFile);
    return unlock;
  } catch (error) {
    unlock?.();
    throw new FathomError(
      'data_dir.unusable',
      `${runDir} cannot be written: ${messageOf(error)}; give it to the user that runs fathomd, or set FATHOM_DATA_DIR`,
      { cause: error },
    );
  }
}

/** It only names the holder of the lock: a full disk does not keep the daemon from its start. */
function notePid(pidFile: string): void {
  try {
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!FULL.has(code)) throw error;
    // Half a number would name another process.
    rmSync(pidFile, { force: true });
  }
}

function pidIn(pidFile: string): string | null {
  try {
    return readFileSync(pidFile, 'utf8').trim();
  } catch {
    return null;
  }
}
