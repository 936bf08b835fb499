import { closestWord } from '../../shared/closest.ts';
import type { AnyCommand } from './command.ts';

/** The command line itself is wrong: exit 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const GLOBAL_OPTIONS = ['help', 'version'];

/** Turns what yargs says into our own sentence, with the word that was probably meant. */
export function usageError(
  said: string,
  argv: readonly string[],
  commands: readonly AnyCommand[],
): UsageError {
  const unknown = /^Unknown (?:argument|command)s?: ([^,\n]+)/.exec(said)?.[1];
  if (said.startsWith('Not enough non-option arguments')) {
    const named = commands.find((command) => startsWithWords(argv, command.words));
    const places = Object.keys(named?.positionals ?? {}).map((name) => `<${name}>`);
    return new UsageError(`${places.join(' ')} is missing; ${helpHint(argv, commands)}`);
  }
  if (unknown === undefined) return new UsageError(`${lowerFirst(said)}; ${helpHint(argv, commands)}`);
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

/** The words that may stand where the unknown one does. */
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
