import { workInBackground } from './background-process.ts';
import type { ProcessAnswer } from './backup-processes.ts';
import { type BackupWork, failureOf, runBackupWork } from './backup-work.ts';
import { isOfBackup } from './restore-work.ts';

/** A process that copies, compresses and encrypts, see `BackupProcesses`. */

workInBackground();
process.on('message', (work: BackupWork) => void run(work));

async function run(work: BackupWork): Promise<void> {
  let answer: ProcessAnswer;
  try {
    answer = { value: await runBackupWork(work, (note) => process.send?.({ note })) };
  } catch (error) {
    answer = { failure: { ...failureOf(error), isOfBackup: isOfBackup(error) } };
  }
  process.send?.(answer);
}
