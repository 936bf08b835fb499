import type { AnyCommand } from '../command.ts';
import { UsageError } from './usage-error.ts';

/** No argument of a process contains it. */
const ESCAPE = '\u0000';

/** Keeps yargs from reading a word after `--` as an option: it would also lose the arguments among them. */
export function escapeArguments(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  if (end === -1) return [...argv];
  const after = argv.slice(end + 1).map((word) => (word.startsWith('-') ? ESCAPE + word : word));
  return [...argv.slice(0, end), ...after];
}

/** Restores what `escapeArguments` changed. */
export function unescapeArguments(args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const restore = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(restore) : typeof value === 'string' ? value.replace(ESCAPE, '') : value;
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, restore(value)]));
}

/**
 * Rejects values that yargs accepts: it reads `--limit few` as NaN, `--limit=` as 0, `--active=yes` as false, and
 * `--data-dir ""` as the working directory.
 *
 * @param args as yargs parsed them
 * @throws UsageError
 */
export function checkValues(
  argv: readonly string[],
  args: Readonly<Record<string, unknown>>,
  { options, positionals }: Pick<AnyCommand, 'options' | 'positionals'>,
): void {
  for (const name of Object.keys(positionals)) {
    if ([args[name]].flat().includes('')) throw new UsageError(`<${name}> is empty`);
  }
  for (const [name, { type, alias }] of Object.entries(options)) {
    const value = args[name];
    if (value === undefined) continue;
    if (type === 'boolean') checkSwitch(argv, [name, alias ?? []].flat());
    else if (type === 'number' && (!Number.isSafeInteger(value) || givenText(argv, name) === '')) {
      const given = givenText(argv, name);
      throw new UsageError(`--${name} needs a whole number${given ? `, not '${given}'` : ''}`);
    } else if (type === 'string' && [value].flat().some((one) => typeof one !== 'string' || one === ''))
      throw new UsageError(`--${name} needs a value that is not empty`);
  }
}

function checkSwitch(argv: readonly string[], names: readonly string[]): void {
  for (const word of argv) {
    const [, dashes = '', name = '', value = ''] = /^(--?)([^=]+)=(.*)$/.exec(word) ?? [];
    if (!names.includes(name.replace(/^no-/, '')) || value === 'true' || value === 'false') continue;
    throw new UsageError(`${dashes}${name} accepts only true and false, not '${value}'`);
  }
}

/** The value of the last occurrence of an option; undefined if there is none. */
function givenText(argv: readonly string[], name: string): string | undefined {
  const option = `--${name}`;
  const index = argv.findLastIndex((word) => word === option || word.startsWith(`${option}=`));
  const word = argv[index];
  return word === option ? argv[index + 1] : word?.slice(option.length + 1);
}

/** The maximum of the API. */
const MAX_PAGE = 500;

/** @throws UsageError */
export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw new UsageError(`--limit needs a whole number from 1 to ${MAX_PAGE}`);
}
