import yargs, { type Argv } from 'yargs';
import { packageVersion } from '../base/package.ts';
import { type AnyCommand, placeText } from './command.ts';
import { COMMANDS, GROUPS } from './commands.ts';
import { COMPLETE } from './completion/scripts.ts';
import type { CliContext } from './context.ts';
import { checkValues, escapeArguments, unescapeArguments } from './input/argument-values.ts';
import { usageError } from './input/usage-error.ts';
import { describeApiError } from './output/api-error.ts';
import { reportError } from './output/report-error.ts';

/** Longer lines are hard to read. */
const HELP_COLUMNS = 100;

/** Runs one command line and returns the exit code; never throws. */
export async function runCli(words: readonly string[], context: CliContext): Promise<number> {
  if (words[0] === COMPLETE) {
    const { printCandidates } = await import('./completion/complete.ts');
    return printCandidates(words.slice(1), context);
  }
  const argv = escapeArguments(words);
  let exitCode = 0;
  try {
    const parser = buildParser(argv, context, async (command, args) => {
      try {
        checkValues(argv, args, command);
        exitCode = await command.run(args, context);
      } catch (error) {
        throw describeApiError(error, command, args, context);
      }
    });
    let text = '';
    await parser.parseAsync(argv, {}, (_error: unknown, _args: unknown, output: string) => {
      text = output;
    });
    if (text !== '') context.stdout.write(`${text}\n`);
    return exitCode;
  } catch (error) {
    return reportError(error, context);
  }
}

function buildParser(
  argv: readonly string[],
  { stdout }: CliContext,
  run: (command: AnyCommand, args: Record<string, unknown>) => Promise<void>,
): Argv {
  const parser = yargs()
    .scriptName('fathomd')
    .usage('$0 <command>\n\nOne PocketBase per user, run as one fleet.')
    // `usageError` reads the English messages of yargs.
    .locale('en')
    .version(packageVersion())
    .alias('help', 'h')
    .wrap(Math.min(HELP_COLUMNS, stdout.columns ?? HELP_COLUMNS))
    .exitProcess(false)
    .strict()
    .demandCommand(1, 'name a command')
    .fail((message: string | null, error: unknown) => {
      if (error instanceof Error && error.name !== 'YError') throw error;
      throw usageError(message ?? 'invalid command line', argv, COMMANDS);
    });
  for (const [group, members] of Map.groupBy(COMMANDS, ({ words }) => words[0])) {
    const first = members[0];
    if (first !== undefined && first.words.length === 1) {
      addCommand(parser, group, first, run);
      continue;
    }
    parser.command(group, GROUPS[group] ?? '', (nested) => {
      for (const member of members) addCommand(nested, member.words[1] ?? '', member, run);
      return nested.demandCommand(1, `name a command of ${group}`);
    });
  }
  return parser;
}

function addCommand(
  parser: Argv,
  word: string,
  command: AnyCommand,
  run: (command: AnyCommand, args: Record<string, unknown>) => Promise<void>,
): void {
  const places = Object.entries(command.positionals).map(([name, options]) => ` ${placeText(name, options)}`);
  parser.command(
    word + places.join(''),
    // `false` hides a command. The types of yargs do not allow it.
    command.hidden ? (false as never) : command.summary,
    (builder) => {
      for (const [name, options] of Object.entries(command.positionals)) builder.positional(name, options);
      return builder.options(command.options);
    },
    (args) => run(command, unescapeArguments(lastOfEach(args, command))),
  );
}

/** The last value of an option that is given more than once. yargs can do this, but then also for positional arguments. */
function lastOfEach(args: Record<string, unknown>, { options }: AnyCommand): Record<string, unknown> {
  const single = Object.keys(options).filter((name) => options[name]?.array !== true);
  const lasts = single.flatMap((name) => (Array.isArray(args[name]) ? [[name, args[name].at(-1)]] : []));
  return { ...args, ...Object.fromEntries(lasts) };
}
