import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { lockForProcess } from '../../base/files/process-lock.ts';
import { systemClock } from '../../base/time/clock.ts';

/** Only root can open it, because a process that opens the lock can hold it. A reboot empties this file system. */
const DIRECTORY = '/run/fathom-install';

interface Holder {
  pid: number;
  command: string;
  since: string;
}

/**
 * Runs one change of the installation at a time. The kernel releases the lock when the process ends.
 *
 * @param command as it was typed; the error of a second command contains it
 * @throws FathomError `conflict` at once when another command runs
 */
export async function withInstallLock<T>(
  command: string,
  work: () => Promise<T>,
  directory: string = DIRECTORY,
): Promise<T> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const holderFile = join(directory, 'holder.json');
  const release = lockForProcess(join(directory, 'lock'));
  if (release === null) throw new FathomError('conflict', describeConflict(readHolder(holderFile)));
  try {
    const holder: Holder = { pid: process.pid, command, since: systemClock.now().toISOString() };
    writeFileSync(holderFile, JSON.stringify(holder));
    return await work();
  } finally {
    rmSync(holderFile, { force: true });
    release();
  }
}

function describeConflict(holder: Holder | null): string {
  const remedy = 'wait until it ends, then run this command again';
  if (holder === null) return `another command is changing this installation; ${remedy}`;
  const { pid, command, since } = holder;
  // Without quotes: it is the command line of that process, not a command to run.
  return `another command is changing this installation: ${command} (pid ${pid}, since ${since}); ${remedy}; if it hangs, run 'kill ${pid}' to interrupt it; after 'kill -9 ${pid}', the next command completes the interrupted work`;
}

/** Null until the holder has written the file, also when the file is of an earlier process that was killed. */
function readHolder(file: string): Holder | null {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as Holder;
    return existsSync(`/proc/${holder.pid}`) ? holder : null;
  } catch {
    return null;
  }
}
