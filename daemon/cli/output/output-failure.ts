import { messageOf } from '../../../shared/errors.ts';
import { EXIT_OUTPUT_FAILED } from './exit-codes.ts';

let isOutputRequired = true;

/**
 * Ends the command when its output cannot be written. A reader that closes its pipe early (`fathomd users list | head -1`)
 * and a terminal that goes away are no errors; a full disk is.
 */
export function handleOutputFailure({
  stdout,
  stderr,
  exit,
}: Pick<NodeJS.Process, 'stdout' | 'stderr' | 'exit'>): void {
  // There is no place left to report it; the exit code still says how the command ended.
  stderr.on('error', () => {});
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!isOutputRequired) return;
    if (error.code === 'EPIPE' || error.code === 'EIO') exit();
    stderr.write(`fathomd: the output cannot be written, and is incomplete: ${messageOf(error)}\n`);
    exit(EXIT_OUTPUT_FAILED);
  });
}

/** From here on the command comes to its end, whether or not its output can be written. */
export function continueWithoutOutput(): void {
  isOutputRequired = false;
}
