import { writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FathomError } from '../../../shared/errors.ts';
import { failureOf } from '../run/backup-work.ts';
import type { ExportAnswer } from './export-process.ts';
import { type ExportWork, prepareExport } from './export-work.ts';

/** A process that gives out one backup, see `startExport`. */

/** As of processes that make backups. */
const NICENESS = 5;
/** After standard input, output, errors and the channel for messages. */
const OUTPUT_FD = 4;

setPriority(NICENESS);
// Without memory, the kernel ends this process before databases.
writeFileSync('/proc/self/oom_score_adj', '1000');

process.once('message', (work: ExportWork) => void run(work));
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));

async function run(work: ExportWork): Promise<void> {
  try {
    const { bytes, content } = await prepareExport(work);
    answer({ bytes });
    const output = new Socket({ fd: OUTPUT_FD, readable: false, writable: true });
    await pipeline(Readable.from(content, { objectMode: false }), output);
    process.exit(0);
  } catch (error) {
    const { reason, message } = failureOf(error);
    const code = error instanceof FathomError ? error.code : null;
    answer({ failure: { code, reason, message } }, () => process.exit(1));
  }
}

function answer(message: ExportAnswer, sent?: () => void): void {
  process.send?.(message, () => sent?.());
}
