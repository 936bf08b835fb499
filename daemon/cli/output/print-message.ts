import { type CliContext, printLine } from '../context.ts';
import { withOwnCommand } from '../own-command.ts';
import { printable } from './printable.ts';

/** One line for a person; commands in it are named as they are typed here. */
export function printMessage(context: CliContext, message: string): void {
  printLine(context.stdout, printable(withOwnCommand(message, context)));
}

/** Worth knowing, and nothing that stops the command. */
export function printWarnings(warnings: readonly string[], context: CliContext): void {
  for (const warning of warnings)
    printLine(context.stderr, printable(`fathomd: warning: ${withOwnCommand(warning, context)}`));
}
