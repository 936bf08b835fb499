import { type CliContext, printLine } from './context.ts';
import { printable } from './printable.ts';

/** Worth knowing, and nothing that stops the command. */
export function printWarnings(warnings: readonly string[], { stderr }: Pick<CliContext, 'stderr'>): void {
  for (const warning of warnings) printLine(stderr, printable(`fathomd: warning: ${warning}`));
}
