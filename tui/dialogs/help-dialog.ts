import { BINDINGS, type Binding, GROUP_TITLES, type KeyGroup } from '../keys/bindings.ts';
import { GROUPS_OF, type Place } from '../keys/places.ts';
import { keyLabel } from '../keys/presses.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { fit } from '../widgets/text.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

const KEYS = 16;
const CONFIRMED_ACTIONS: ReadonlySet<KeyGroup> = new Set(['confirm', 'form', 'copying', 'quit']);

export function helpDialog(over: DialogArea, place: Place, top: number): Box {
  const all = helpLines(place);
  const room = helpRows(over.rows);
  const shown = all.slice(top, top + room);
  // The widest line of all, so that the box does not change its size while it is scrolled.
  const width = Math.max(...all.map((spans) => spans.reduce((sum, [, text]) => sum + text.length, 0)));
  const rest =
    all.length > room ? `${top + 1}–${Math.min(all.length, top + room)} of ${all.length}, ↑↓ scroll, ` : '';
  return drawDialog(over, {
    title: `Keys   ${rest}Esc closes`,
    lines: [...shown, [['plain', ' '.repeat(width)]]],
  });
}

/** The key table in words: the groups of this place first, then the others. Questions explain themselves. */
export function helpLines(place: Place): Span[][] {
  const here = GROUPS_OF[place];
  const elsewhere = (Object.keys(GROUP_TITLES) as KeyGroup[]).filter(
    (group) => !here.includes(group) && !CONFIRMED_ACTIONS.has(group),
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
