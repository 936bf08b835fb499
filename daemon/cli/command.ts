import type { InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import type { CliContext } from './context.ts';

type OptionTable = Readonly<Record<string, Options>>;
type PositionalTable = Readonly<Record<string, PositionalOptions>>;

/** A command as data. The parser, the suggestions and docs/cli.md derive from it. */
interface Command<O extends OptionTable, P extends PositionalTable> {
  /** `['databases', 'logs']` */
  words: readonly [string] | readonly [string, string];
  summary: string;
  /** In their order on the command line. Only the last one may be optional. */
  positionals: P;
  options: O;
  /** Not shown in the help. */
  hidden: boolean;
  /** Returns the exit code. Imports its modules when it runs, so that other commands start without them. */
  run(args: InferredOptionTypes<O> & InferredOptionTypes<P>, context: CliContext): Promise<number>;
}

// biome-ignore format: one line
export type AnyCommand = Omit<Command<OptionTable, PositionalTable>, 'run'> & { run(args: object, context: CliContext): Promise<number> };

type CommandSpec<O extends OptionTable, P extends PositionalTable> = Pick<
  Command<O, P>,
  'words' | 'summary' | 'run'
> &
  Partial<Pick<Command<O, P>, 'positionals' | 'options' | 'hidden'>>;

export function command<
  const O extends OptionTable = OptionTable & Record<never, never>,
  const P extends PositionalTable = PositionalTable & Record<never, never>,
>(spec: CommandSpec<O, P>): AnyCommand {
  const { words, summary, positionals = {}, options = {}, hidden = false } = spec;
  // yargs checks the arguments against the same tables that their types are inferred from.
  return { words, summary, positionals, options, hidden, run: spec.run };
}

/** A positional argument as the usage shows it: `<name..>`, or `[name]` for an optional one. */
export function placeText(name: string, { array, demandOption }: PositionalOptions): string {
  const text = `${name}${array ? '..' : ''}`;
  return demandOption === true ? `<${text}>` : `[${text}]`;
}

/** Options of commands that read the settings of the daemon. */
export const SETTINGS_OPTIONS = {
  'env-file': { type: 'string', requiresArg: true, describe: 'Env file of the daemon, as for serve' },
  'data-dir': { type: 'string', requiresArg: true, describe: 'Data directory of the daemon, as for serve' },
} as const satisfies OptionTable;

/** Option of every list and report. */
export const JSON_OPTION = {
  json: { type: 'boolean', default: false, describe: 'Print JSON and nothing else' },
} as const satisfies OptionTable;

/** Options of commands that print a table. */
export const TABLE_OPTIONS = {
  ...JSON_OPTION,
  wide: { type: 'boolean', default: false, describe: 'Show all columns, also wider than the terminal' },
} as const satisfies OptionTable;

/** Option of commands that can find a problem. */
export const CHECK_OPTION = {
  check: { type: 'boolean', default: false, describe: 'Exit with 1 when something is wrong' },
} as const satisfies OptionTable;
