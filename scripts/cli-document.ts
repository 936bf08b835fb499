import type { Options } from 'yargs';
import { type AnyCommand, CHECK_OPTION, placeText, TABLE_OPTIONS } from '../daemon/cli/command.ts';
import { COMMANDS, GROUPS } from '../daemon/cli/commands.ts';
import { CONNECT_OPTIONS } from '../daemon/cli/connect.ts';
import { EXIT_CODES } from '../daemon/cli/output/exit-codes.ts';
import { ERROR_CODES } from '../shared/errors.ts';
import { markdownTable } from './markdown.ts';

const SHARED: Readonly<Record<string, Options>> = { ...TABLE_OPTIONS, ...CHECK_OPTION, ...CONNECT_OPTIONS };

/** More choices are listed with the meaning of the option. */
const MAX_CHOICES_IN_NAME = 8;

/** The whole of `docs/cli.md`. */
export function cliDocument(): string {
  const groups = [...Map.groupBy(COMMANDS, ({ words }) => (words.length === 1 ? '' : words[0]))];
  return [
    '# Commands',
    '<!-- written by `npm run docs:cli` from the commands themselves -->',
    ABOUT,
    '## Options of many commands',
    optionTable(SHARED),
    '## Exit codes',
    exitCodeTable(),
    ...groups.flatMap(([group, commands]) => [
      group === '' ? '## Daemon and host' : `## ${group}: ${GROUPS[group]}`,
      ...commands.filter(({ hidden }) => !hidden).flatMap(describeCommand),
    ]),
  ]
    .join('\n\n')
    .concat('\n');
}

const ABOUT = `\`fathomd --help\` and \`fathomd COMMAND --help\` show the same. In a clone, the commands are \`bin/fathomd\` and
\`bin/fathom-tui\`; on an installed server, \`fathomd\` and \`fathom-tui\`. Messages name the one that works.

- **On a terminal**, a table is as wide as the terminal. Long texts are cut and less important columns are left out; a
  line says so. \`--wide\` shows everything. \`NO_COLOR\` and \`TERM=dumb\` switch colours off.
- **In a pipe or a file**, a table is never cut. Columns are at least two spaces apart, no cell contains two spaces, and
  \`–\` is an empty cell: \`fathomd databases list | awk -F '  +' '$2 == "failed" {print $1}'\`.
- **\`--json\`** prints JSON and nothing else, for scripts. Warnings and errors go to standard error.
- **Completion** of commands, options and names of databases: \`source <(fathomd completion bash)\` in \`~/.bashrc\`, the
  same with \`zsh\` in \`~/.zshrc\` after \`compinit\`, or \`fathomd completion fish | source\` in \`config.fish\`.
- **\`--check\`** makes the exit code 1 when something is wrong, for cron and monitoring; the output stays the same.`;

function describeCommand({ words, summary, positionals, options }: AnyCommand): string[] {
  const places = Object.entries(positionals).map(([name, one]) => ` ${placeText(name, one)}`);
  const own = Object.fromEntries(
    Object.entries(options).filter(
      ([name, option]) => !option.hidden && option.describe !== SHARED[name]?.describe,
    ),
  );
  const shared = Object.keys(options)
    .filter((name) => !(name in own) && name in SHARED)
    .map((name) => `\`--${name}\``);
  return [
    `### \`fathomd ${words.join(' ')}${places.join('')}\``,
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    ...(Object.keys(own).length > 0 ? [optionTable(own)] : []),
    ...(shared.length > 0 ? [`Also ${shared.join(', ')}.`] : []),
  ];
}

function optionTable(options: Readonly<Record<string, Options>>): string {
  return markdownTable(
    ['option', 'meaning'],
    Object.entries(options).map(([name, option]) => {
      const { type, choices, describe = '', default: preset } = option;
      const isSwitch = type === 'boolean';
      const value = isSwitch
        ? ''
        : choices === undefined
          ? type === 'number'
            ? ' N'
            : ' VALUE'
          : choices.length > MAX_CHOICES_IN_NAME
            ? ' VALUE'
            : ` ${choices.join('|')}`;
      const listed =
        choices !== undefined && choices.length > MAX_CHOICES_IN_NAME
          ? `: ${choices.map((choice) => `\`${choice}\``).join(', ')}`
          : '';
      const short = typeof option.alias === 'string' ? `, \`-${option.alias}\`` : '';
      const presetText = isSwitch || preset === undefined ? '' : ` (default ${String(preset)})`;
      return [`\`--${name}${value}\`${short}`, `${describe}${listed}${presetText}`];
    }),
  );
}

function exitCodeTable(): string {
  const codes = Object.entries(ERROR_CODES);
  return markdownTable(
    ['code', 'meaning', 'errors with it'],
    Object.entries(EXIT_CODES).map(([exit, meaning]) => {
      const errors = codes.filter(([, one]) => one.exit === Number(exit)).map(([code]) => `\`${code}\``);
      return [exit, meaning, errors.join(', ')];
    }),
  );
}
