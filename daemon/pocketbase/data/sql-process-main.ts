import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/**
 * The process of a thread that runs SQL on files of users: `sql-process-main PROGRAM`. Nothing ends a thread while it is in
 * SQLite, so this process ends itself when the daemon is gone.
 */

const MAX_HEAP_MB = 512;
const [program = ''] = process.argv.slice(2);

// Without memory, the kernel ends this process first.
writeFileSync('/proc/self/oom_score_adj', '1000');

const thread = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB } });
thread.on('message', (answer: object) => process.send?.(answer));
thread.on('error', end);
process.on('message', (work: object) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
  thread.postMessage(work);
});
process.once('disconnect', end);

function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
