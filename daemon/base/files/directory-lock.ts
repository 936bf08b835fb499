import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';

/** The exit code of flock(1) when another process holds the lock. */
const LOCKED = 75;
/** The number of the descriptor in flock(1). */
const INHERITED = 3;

/**
 * Locks a directory for the lifetime of this process. A lock file can be removed while it is locked, and the next process
 * then locks a new file. A directory with content cannot be removed.
 *
 * Node has no flock(2). flock(1) locks the open file that it shares with this process, so the lock stays when it exits.
 *
 * @returns the function that releases the lock; null while another process holds it
 * @throws the error of open(2) or spawn(2), or the output of flock(1), for example on a file system without such locks
 */
export function lockDirectory(path: string): (() => void) | null {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  const { status, error, stderr } = spawnSync(
    'flock',
    ['--exclusive', '--nonblock', '--conflict-exit-code', String(LOCKED), String(INHERITED)],
    { stdio: ['ignore', 'ignore', 'pipe', descriptor], encoding: 'utf8' },
  );
  if (status === 0) return () => closeSync(descriptor);
  closeSync(descriptor);
  if (status === LOCKED) return null;
  throw error ?? new Error(stderr.trim());
}
