import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import type { ProcessAnswer } from './backup-processes.ts';
import { type BackupWork, failureOf, runBackupWork } from './backup-work.ts';

/** A process that copies, compresses and encrypts, see `BackupProcesses`. */

/**
 * Below that of databases and of the daemon. Not the lowest: on a busy host, the process would hardly run, also while its
 * read transaction makes the WAL of a database grow.
 */
const NICENESS = 5;

setPriority(NICENESS);
// Without memory, the kernel ends this process before databases.
writeFileSync('/proc/self/oom_score_adj', '1000');

process.on('message', (work: BackupWork) => void run(work));
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));

async function run(work: BackupWork): Promise<void> {
  let answer: ProcessAnswer;
  try {
    answer = { value: await runBackupWork(work, (note) => process.send?.({ note })) };
  } catch (error) {
    answer = { failure: failureOf(error) };
  }
  process.send?.(answer);
}
