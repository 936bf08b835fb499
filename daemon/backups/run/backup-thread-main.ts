import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort } from 'node:worker_threads';
import type { ThreadAnswer, ThreadRequest } from './backup-threads.ts';
import { type BackupWork, failureOf, runBackupWork } from './backup-work.ts';

/** A worker thread that copies, compresses and encrypts. */

/**
 * Below that of databases and of the daemon. Not the lowest: on a busy host, the thread would hardly run, also while its read
 * transaction makes the WAL of a database grow.
 */
const NICENESS = 5;

// On Linux each thread has its own priority, which is set by the thread id.
setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS);

parentPort?.on('message', (request: ThreadRequest) => {
  // Ends the thread alone.
  if (request === 'end') process.exit();
  void run(request);
});

async function run(work: BackupWork): Promise<void> {
  let answer: ThreadAnswer;
  try {
    answer = { value: await runBackupWork(work) };
  } catch (error) {
    answer = { failure: failureOf(error) };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of node:worker_threads has none
  parentPort?.postMessage(answer);
}
