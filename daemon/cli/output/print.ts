import { stripVTControlCharacters } from 'node:util';
import { type CliContext, printLine } from '../context.ts';
import { withOwnCommand } from '../own-command.ts';

// C0 except tab, DEL, C1, line separators, and marks that reorder text: they must not reach a terminal.
const CONTROL =
  // oxlint-disable-next-line no-control-regex -- the expression removes them
  /[\u0000-\u0008\u000A-\u001F\u007F-\u009F\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/g;

/** Untrusted text as one line without control characters of a terminal. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(CONTROL, '');
}

/** Prints one line, with commands as they can be typed here. */
export function printMessage(context: CliContext, message: string): void {
  printLine(context.stdout, printable(withOwnCommand(message, context)));
}

/** Prints problems that do not stop the command. */
export function printWarnings(warnings: readonly string[], context: CliContext): void {
  for (const warning of warnings)
    printLine(context.stderr, printable(`fathomd: warning: ${withOwnCommand(warning, context)}`));
}
