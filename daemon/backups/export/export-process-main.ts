import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FathomError } from '../../../shared/errors.ts';
import { workInBackground } from '../run/background-process.ts';
import { failureOf } from '../run/backup-work.ts';
import type { ExportAnswer } from './export-process.ts';
import { type ExportWork, prepareExport } from './export-work.ts';

/** A process that gives out one backup, see `startExport`. */

/** After standard input, output, errors and the channel for messages. */
const OUTPUT_FD = 4;

workInBackground();
process.once('message', (work: ExportWork) => void run(work));

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
