import { writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/**
 * Below that of databases and of the daemon. Not the lowest: on a busy host, the process would hardly run, also while its
 * read transaction makes the WAL of a database grow.
 */
const NICENESS = 5;

/** Makes this process one that works for the daemon beside databases, and that ends with it. */
export function workInBackground(): void {
  // A user without privileges cannot raise it.
  if (getPriority() < NICENESS) setPriority(NICENESS);
  // Without memory, the kernel ends this process before databases.
  writeFileSync('/proc/self/oom_score_adj', '1000');
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}
