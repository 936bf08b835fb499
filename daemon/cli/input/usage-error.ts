import { closestWord } from '../../../shared/closest.ts';
import type { AnyCommand } from '../command.ts';

/** The command line is invalid: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const GLOBAL_OPTIONS = ['help', 'version'];

/** Rewrites a message of yargs and suggests the closest known word. */
export function usageError(
  said: string,
  argv: readonly string[],
  commands: readonly AnyCommand[],
): UsageError {
  const unknown = /^Unknown (?:argument|command)s?: ([^,\n]+)/.exec(said)?.[1];
  if (unknown !== undefined) return unknownWord(unknown, argv, commands);
  const command = commands.find(({ words }) => startsWithWords(argv, words));
  const sentence = inOwnWords(said, command);
  return new UsageError(`${sentence}; ${helpHint(argv, commands)}`);
}

function inOwnWords(said: string, command: AnyCommand | undefined): string {
  const given = /^Not enough non-option arguments: got (\d+)/.exec(said)?.[1];
  if (given !== undefined) {
    const missing = Object.keys(command?.positionals ?? {}).slice(Number(given));
    return `${missing.map((name) => `<${name}>`).join(' ')} is missing`;
  }
  const withoutValue = /^Not enough arguments following: (\S+)/.exec(said)?.[1];
  if (withoutValue !== undefined) return `--${withoutValue} needs ${kindOfValue(withoutValue, command)}`;
  const required = /^Missing required arguments?: (.+)/.exec(said)?.[1];
  if (required !== undefined) return `${required.replace(/[^, ]+/g, '--$&')} is missing`;
  const excluding = /^Arguments (\S+) and (\S+) are mutually exclusive/.exec(said);
  if (excluding !== null)
    return `--${excluding[1]} and --${excluding[2]} exclude each other; give one of them`;
  // One line per option: `Argument: role, Given: "king", Choices: "user", "admin"`.
  const wrong = [...said.matchAll(/Argument: (\S+), Given: (.*), Choices: (.*)/g)];
  if (wrong.length > 0)
    return wrong.map(([, name, value, choices]) => noChoice(name, value, choices)).join('; ');
  return lowerFirst(said);
}

function noChoice(name = '', given = '', choices = ''): string {
  const value = given.replaceAll('"', '');
  const allowed = choices.replaceAll('"', '');
  const meant = closestWord(value, allowed.split(', '));
  const suggestion = meant === null ? '' : `; did you mean '${meant}'?`;
  return `--${name}: '${value}' is not one of ${allowed}${suggestion}`;
}

function kindOfValue(option: string, command: AnyCommand | undefined): string {
  const { choices, type } = command?.options[option] ?? {};
  if (choices !== undefined) return `one of ${choices.join(', ')}`;
  return type === 'number' ? 'a whole number' : 'a value';
}

function unknownWord(unknown: string, argv: readonly string[], commands: readonly AnyCommand[]): UsageError {
  const isOption = argv.some(
    (word) => word === `-${unknown}` || word === `--${unknown}` || word.startsWith(`--${unknown}=`),
  );
  const known = isOption ? optionNames(argv, commands) : commandNames(unknown, argv, commands);
  const meant = closestWord(unknown, known);
  const dashes = unknown.length === 1 ? '-' : '--';
  const what = isOption ? `unknown option '${dashes}${unknown}'` : `unknown command or argument '${unknown}'`;
  const hint = meant === null ? helpHint(argv, commands) : `did you mean '${isOption ? '--' : ''}${meant}'?`;
  return new UsageError(`${what}; ${hint}`);
}

function optionNames(argv: readonly string[], commands: readonly AnyCommand[]): string[] {
  const named = commands.filter((command) => startsWithWords(argv, command.words));
  return [...named.flatMap((command) => Object.keys(command.options)), ...GLOBAL_OPTIONS];
}

/** The words that are possible in place of the unknown one. */
function commandNames(unknown: string, argv: readonly string[], commands: readonly AnyCommand[]): string[] {
  const before = wordsOf(argv).slice(0, Math.max(0, wordsOf(argv).indexOf(unknown)));
  return commands
    .filter((command) => !command.hidden && before.every((word, index) => command.words[index] === word))
    .flatMap((command) => command.words[before.length] ?? []);
}

function helpHint(argv: readonly string[], commands: readonly AnyCommand[]): string {
  const named = commands.find((command) => startsWithWords(argv, command.words));
  const group = commands.find((command) => command.words[0] === wordsOf(argv)[0]);
  return `see '${['fathomd', ...(named?.words ?? group?.words.slice(0, 1) ?? []), '--help'].join(' ')}'`;
}

function startsWithWords(argv: readonly string[], words: readonly string[]): boolean {
  const given = wordsOf(argv);
  return words.every((word, index) => given[index] === word);
}

function wordsOf(argv: readonly string[]): string[] {
  return argv.filter((word) => !word.startsWith('-'));
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).split('\n', 1).join('');
}
