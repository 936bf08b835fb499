import { FathomError, messageOf } from '../../../shared/errors.ts';
import { valueOf } from '../../../shared/setting-names.ts';
import { isDiskFull } from '../../base/files/dir.ts';
import { type CliContext, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { withOwnCommand } from '../own-command.ts';
import { printable, printWarnings } from './print.ts';

/** Prints an error to stderr, with one more line for each field, and returns the exit code. */
export function reportError(error: unknown, context: CliContext): number {
  const { stderr, env } = context;
  if (error instanceof FathomError) printWarnings(error.warnings, context);
  const text = isDiskFull(error)
    ? `the disk is full (${messageOf(error)}); free some space, then try again`
    : messageOf(error);
  printLine(stderr, `fathomd: ${printable(withOwnCommand(text, context))}`);
  if (error instanceof FathomError) {
    for (const { path, message } of error.fields.filter((field) => !messageOf(error).includes(field.message)))
      printLine(stderr, printable(`${path}: ${withOwnCommand(message, context)}`));
  }
  const verbose = ['debug', 'trace'].includes(valueOf(env, 'LOG_LEVEL')?.toLowerCase() ?? '');
  if (verbose && error instanceof Error && error.stack !== undefined) printLine(stderr, error.stack);
  if (error instanceof FathomError) return error.exitCode;
  return error instanceof UsageError ? 2 : 70;
}
