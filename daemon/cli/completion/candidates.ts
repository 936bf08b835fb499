import type { AnyCommand } from '../command.ts';

/** What could follow on a command line. */
export interface Candidate {
  word: string;
  /** One line; empty for none. */
  about: string;
}

export interface Candidates {
  words: readonly Candidate[];
  /** Names of databases, which only the daemon knows, are candidates as well. */
  databases: boolean;
}

const NONE: Candidates = { words: [], databases: false };

/** The first words of commands whose positional argument `name` or `names` is a database. */
const ABOUT_DATABASES: ReadonlySet<string> = new Set(['databases', 'backups', 'logs']);

/**
 * What can replace the last word of a command line.
 *
 * @param line the words after the program; the last one is being typed and may be empty
 */
export function candidatesFor(
  line: readonly string[],
  commands: readonly AnyCommand[],
  groups: Readonly<Record<string, string>>,
): Candidates {
  const typed = line.at(-1) ?? '';
  const before = line.slice(0, -1);
  const command = commands.find(({ words }) => words.every((word, index) => before[index] === word));
  const { words, databases } = command
    ? argumentsOf(command, before.slice(command.words.length), typed)
    : { words: nextWords(before, commands, groups), databases: false };
  return { words: words.filter(({ word }) => word.startsWith(typed)), databases };
}

/** The next words of commands that begin with the given ones. */
function nextWords(
  before: readonly string[],
  commands: readonly AnyCommand[],
  groups: Readonly<Record<string, string>>,
): Candidate[] {
  const next = new Map<string, string>();
  for (const { words, summary, hidden } of commands) {
    const word = words[before.length];
    if (hidden || word === undefined || !before.every((one, index) => words[index] === one)) continue;
    const isGroup = words.length > before.length + 1;
    if (!next.has(word)) next.set(word, isGroup ? (groups[word] ?? '') : summary);
  }
  return [...next].map(([word, about]) => ({ word, about }));
}

function argumentsOf(command: AnyCommand, before: readonly string[], typed: string): Candidates {
  const { options, positionals, words } = command;
  const waiting = options[optionIn(before.at(-1))];
  if (waiting && waiting.type !== 'boolean') return { words: choicesOf(waiting.choices), databases: false };
  if (typed.startsWith('-')) {
    const unused = Object.entries(options).filter(
      ([name, option]) => option.hidden !== true && (option.array === true || !before.includes(`--${name}`)),
    );
    return {
      words: unused.map(([name, { describe }]) => ({ word: `--${name}`, about: describe ?? '' })),
      databases: false,
    };
  }
  const given = before.filter((word, index) => !word.startsWith('-') && !isValue(before[index - 1], command));
  const places = Object.entries(positionals);
  // The last one may take several words.
  const place = places[given.length] ?? (places.at(-1)?.[1].array === true ? places.at(-1) : undefined);
  if (!place) return NONE;
  const [name, { choices }] = place;
  const isDatabase = /^names?$/.test(name) && ABOUT_DATABASES.has(words[0]);
  return { words: choicesOf(choices), databases: isDatabase };
}

/** Whether a word is the value of the option before it. */
function isValue(previous: string | undefined, { options }: AnyCommand): boolean {
  const option = options[optionIn(previous)];
  return option !== undefined && option.type !== 'boolean';
}

/** The name in `--name`; empty for another word, also for one with a value behind `=`. */
function optionIn(word = ''): string {
  return /^--([\w-]+)$/.exec(word)?.[1] ?? '';
}

function choicesOf(choices: readonly unknown[] | undefined): Candidate[] {
  return (choices ?? []).map((choice) => ({ word: String(choice), about: '' }));
}
