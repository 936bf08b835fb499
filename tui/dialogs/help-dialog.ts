import { BINDINGS, type Binding, GROUP_TITLES, type KeyGroup } from '../keys/bindings.ts';
import { GROUPS_OF, keyFor, type Place } from '../keys/places.ts';
import { keyLabel } from '../keys/presses.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { fit } from '../widgets/text.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

const KEYS = 16;
const DIALOG_GROUPS: ReadonlySet<KeyGroup> = new Set([
  'help',
  'prompt',
  'editing',
  'confirm',
  'form',
  'choice',
  'copying',
  'quit',
]);

export function helpDialog(over: DialogArea, place: Place, top: number): Box {
  const all = helpLines(place);
  const room = helpRows(over.rows);
  const shown = all.slice(top, top + room);
  // The width of the widest line, so that scrolling does not change the size of the box.
  const width = Math.max(...all.map((spans) => spans.reduce((sum, [, text]) => sum + text.length, 0)));
  const rest =
    all.length > room
      ? `${top + 1}–${Math.min(all.length, top + room)} of ${all.length}, ${keyFor('up')}${keyFor('down')} scroll, `
      : '';
  return drawDialog(over, {
    title: `Keys   ${rest}${keyFor('help.close')} closes`,
    lines: [...shown, [['plain', ' '.repeat(width)]]],
  });
}

/** The key table as text: first the groups of this place, then the others. Dialogs show their own keys. */
export function helpLines(place: Place): Span[][] {
  const here = GROUPS_OF[place];
  const elsewhere = (Object.keys(GROUP_TITLES) as KeyGroup[]).filter(
    (group) => !here.includes(group) && !DIALOG_GROUPS.has(group),
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

/** Number of visible rows of help. */
export function helpRows(rows: number): number {
  return Math.max(1, rows - 4);
}
