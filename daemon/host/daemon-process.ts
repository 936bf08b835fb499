import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readPid } from '../base/files/pid-file.ts';
import { isAlive, processStat } from '../pocketbase/process/procfs.ts';

/** A line of /proc/locks: `1: POSIX  ADVISORY  WRITE 812 08:01:1234 0 EOF`. Source: proc_locks(5). */
const POSIX_LOCK = /^\d+: POSIX +\w+ +WRITE (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /gm;
/** The process of the daemon of a data directory, also one that does not answer; null without one. */
export function findDaemonProcess(dataDir: string): number | null {
  const runDir = join(dataDir, 'run');
  const candidates = [...lockHolders(join(runDir, 'daemon.lock')), readPid(join(runDir, 'fathomd.pid')) ?? 0];
  return candidates.find((pid) => pid > 0 && isDaemon(pid)) ?? null;
}

/** A pid from another namespace, or a reused one, may belong to another program. */
export function isDaemon(pid: number): boolean {
  const stat = processStat(pid);
  const command = readOrEmpty(`/proc/${pid}/cmdline`);
  return stat !== null && isAlive(pid, stat.startTime) && command.includes('daemon/main.js');
}

/** Whether a signal has suspended the process. */
export function isSuspended(pid: number): boolean {
  return ['T', 't'].includes(processStat(pid)?.state ?? '');
}

function lockHolders(path: string): number[] {
  const inode = statSync(path, { throwIfNoEntry: false })?.ino;
  const locks = [...readOrEmpty('/proc/locks').matchAll(POSIX_LOCK)];
  return locks.filter(([, , locked]) => Number(locked) === inode).map(([, pid]) => Number(pid));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
