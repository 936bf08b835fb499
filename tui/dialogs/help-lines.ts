import { BINDINGS, type Binding, GROUP_TITLES, type KeyGroup } from '../keys/bindings.ts';
import { GROUPS_OF, type Place } from '../keys/places.ts';
import { keyLabel } from '../keys/presses.ts';
import type { Span } from '../widgets/line.ts';
import { fit } from '../widgets/text.ts';

const KEYS = 16;
const QUESTIONS: ReadonlySet<KeyGroup> = new Set(['confirm', 'form', 'copying', 'quit']);

/** The key table in words: the groups of this place first, then the others. Questions explain themselves. */
export function helpLines(place: Place): Span[][] {
  const here = GROUPS_OF[place];
  const elsewhere = (Object.keys(GROUP_TITLES) as KeyGroup[]).filter(
    (group) => !here.includes(group) && !QUESTIONS.has(group),
  );
  return [...here, ...elsewhere].flatMap((group) => [
    [['title', GROUP_TITLES[group]] as const],
    ...BINDINGS.filter((binding) => binding.group === group).map(helpLine),
    [],
  ]);
}

function helpLine({ keys, help }: Binding): Span[] {
  return [
    ['accent', `  ${fit(keys.map(keyLabel).join(' '), KEYS)}`],
    ['plain', help],
  ];
}

/** Rows of help that a dialog shows at once. */
export function helpRows(rows: number): number {
  return Math.max(1, rows - 4);
}
