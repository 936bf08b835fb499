import { createClient } from '../../../shared/client/fathom-client.ts';
import { messageOf } from '../../../shared/errors.ts';
import { COMMANDS, GROUPS } from '../commands.ts';
import { connectionOf } from '../connect.ts';
import { type CliContext, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { candidatesFor } from './candidates.ts';

/** Who presses a key waits for it. */
const DAEMON_TIMEOUT_MS = 1_500;

/**
 * Prints what can replace the last word of a command line, each with a tab and its help.
 *
 * @param line the words after the program; the last one is being typed
 */
export async function printCandidates(line: readonly string[], context: CliContext): Promise<number> {
  const { words, databases } = candidatesFor(line, COMMANDS, GROUPS);
  for (const { word, about } of words) printLine(context.stdout, `${word}\t${printable(about)}`);
  if (!databases) return 0;
  const typed = line.at(-1) ?? '';
  try {
    const client = createClient({ ...connectionOf({}, context), timeoutMs: DAEMON_TIMEOUT_MS });
    for (const { name, phase } of await client.databases.all())
      if (name.startsWith(typed)) printLine(context.stdout, `${name}\t${phase}`);
    return 0;
  } catch (error) {
    // The scripts of shells do not show it.
    printLine(context.stderr, `fathomd: ${messageOf(error)}`);
    return 1;
  }
}
