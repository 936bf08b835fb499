import { type CliContext, printLine } from '../context.ts';
import { withOwnCommand } from '../own-command.ts';
import { printable } from './printable.ts';

/** Prints one line, with commands as they can be typed here. */
export function printMessage(context: CliContext, message: string): void {
  printLine(context.stdout, printable(withOwnCommand(message, context)));
}

/** Prints problems that do not stop the command. */
export function printWarnings(warnings: readonly string[], context: CliContext): void {
  for (const warning of warnings)
    printLine(context.stderr, printable(`fathomd: warning: ${withOwnCommand(warning, context)}`));
}
