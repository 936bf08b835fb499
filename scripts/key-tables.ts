import { BINDINGS, GROUP_TITLES, type KeyGroup } from '../tui/keys/bindings.ts';
import { keyLabel } from '../tui/keys/presses.ts';
import { withGeneratedPart } from './markdown.ts';

/** `docs/console.md` with its tables of keys replaced. */
export function withKeyTables(document: string): string {
  return withGeneratedPart(document, 'keys', keyTables());
}

export function keyTables(): string {
  return (Object.keys(GROUP_TITLES) as KeyGroup[]).map(tableOf).join('\n\n');
}

function tableOf(group: KeyGroup): string {
  const rows = BINDINGS.filter((binding) => binding.group === group).map(
    ({ keys, help }) =>
      `| ${keys.map((key) => `\`${keyLabel(key)}\``).join(' ')} | ${help.replaceAll('|', '\\|')} |`,
  );
  return [`### ${GROUP_TITLES[group]}`, '', '| key | what it does |', '|---|---|', ...rows].join('\n');
}
