import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { lockForProcess } from '../../base/files/process-lock.ts';
import { systemClock } from '../../base/time/clock.ts';

/** Only root may open it, because a process that opens the lock can hold it. A reboot empties this file system. */
const DIRECTORY = '/run/fathom-install';

interface Holder {
  pid: number;
  command: string;
  since: string;
}

/**
 * Runs one change of the installation at a time. The lock ends with the process.
 *
 * @param command as it was typed; a command that is refused meanwhile names it
 * @throws FathomError `conflict` at once, when another command runs
 */
export async function alone<T>(
  command: string,
  work: () => Promise<T>,
  directory: string = DIRECTORY,
): Promise<T> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const note = join(directory, 'holder.json');
  const release = lockForProcess(join(directory, 'lock'));
  if (release === null) throw new FathomError('conflict', refusal(holderOf(note)));
  try {
    const holder: Holder = { pid: process.pid, command, since: systemClock.now().toISOString() };
    writeFileSync(note, JSON.stringify(holder));
    return await work();
  } finally {
    rmSync(note, { force: true });
    release();
  }
}

function refusal(holder: Holder | null): string {
  const next = 'wait until it ends, then run this command again';
  if (holder === null) return `another command changes this installation; ${next}`;
  const { pid, command, since } = holder;
  // Without quotes: the command line of that process, not a command to run.
  return `another command changes this installation: ${command} (pid ${pid}, since ${since}); ${next}; if it hangs, 'kill ${pid}' interrupts it, and the next command completes what a 'kill -9 ${pid}' leaves undone`;
}

/** Null in the moment before it is written, when the note is that of an earlier one that was killed. */
function holderOf(note: string): Holder | null {
  try {
    const holder = JSON.parse(readFileSync(note, 'utf8')) as Holder;
    return existsSync(`/proc/${holder.pid}`) ? holder : null;
  } catch {
    return null;
  }
}
