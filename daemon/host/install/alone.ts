import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { lockForProcess } from '../../base/files/process-lock.ts';
import { systemClock } from '../../base/time/clock.ts';

/** Root's alone: who could open the lock could hold it. On a file system that a reboot empties. */
const DIRECTORY = '/run/fathom-install';

interface Holder {
  pid: number;
  command: string;
  since: string;
}

/**
 * Does what changes the installation while nobody else does. The lock goes with the process, however that ends.
 *
 * @param command as it was typed, to be told to whoever is refused meanwhile
 * @throws FathomError `conflict` at once, when another command is at work
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
