import type { AnyCommand } from '../command.ts';
import { UsageError } from './usage-error.ts';

/**
 * What yargs lets through: `--limit few` is NaN to it, `--limit=` is 0, `--active=yes` is false, and `--data-dir ""` is the
 * working directory.
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
    throw new UsageError(`${dashes}${name} takes no value but true and false, not '${value}'`);
  }
}

/** What stands behind an option the last time that it is given; undefined if it is not given. */
function givenText(argv: readonly string[], name: string): string | undefined {
  const option = `--${name}`;
  const index = argv.findLastIndex((word) => word === option || word.startsWith(`${option}=`));
  const word = argv[index];
  return word === option ? argv[index + 1] : word?.slice(option.length + 1);
}
