import { messageOf } from '../../../shared/errors.ts';
import { EXIT_OUTPUT_FAILED } from './exit-codes.ts';

let isOutputRequired = true;

/**
 * Exits when the output cannot be written. A pipe that its reader has closed (`fathomd users list | head -1`) and a closed
 * terminal are no errors; a full disk is one.
 */
export function handleOutputFailure({
  stdout,
  stderr,
  exit,
}: Pick<NodeJS.Process, 'stdout' | 'stderr' | 'exit'>): void {
  // The error cannot be reported anywhere. The exit code still shows the result of the command.
  stderr.on('error', () => {});
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!isOutputRequired) return;
    if (error.code === 'EPIPE' || error.code === 'EIO') exit();
    stderr.write(`fathomd: the output cannot be written, and is incomplete: ${messageOf(error)}\n`);
    exit(EXIT_OUTPUT_FAILED);
  });
}

/** From now on, the command continues when its output cannot be written. */
export function continueWithoutOutput(): void {
  isOutputRequired = false;
}
