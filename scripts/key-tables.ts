import { BINDINGS, GROUP_TITLES, type KeyGroup } from '../tui/keys/bindings.ts';
import { keyLabel } from '../tui/keys/presses.ts';

const BEGIN = '<!-- keys: written by `npm run docs:keys` -->';
const END = '<!-- end of keys -->';

/** The key table as it stands in `docs/console.md`. */
export function keyTables(): string {
  return (Object.keys(GROUP_TITLES) as KeyGroup[]).map(tableOf).join('\n\n');
}

/** The document with its tables replaced. @throws Error when it has no place for them */
export function withKeyTables(document: string): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from === -1 || to === -1) throw new Error(`docs/console.md needs the lines '${BEGIN}' and '${END}'`);
  return `${document.slice(0, from + BEGIN.length)}\n\n${keyTables()}\n\n${document.slice(to)}`;
}

function tableOf(group: KeyGroup): string {
  const rows = BINDINGS.filter((binding) => binding.group === group).map(
    ({ keys, help }) =>
      `| ${keys.map((key) => `\`${keyLabel(key)}\``).join(' ')} | ${help.replaceAll('|', '\\|')} |`,
  );
  return [`### ${GROUP_TITLES[group]}`, '', '| key | what it does |', '|---|---|', ...rows].join('\n');
}
