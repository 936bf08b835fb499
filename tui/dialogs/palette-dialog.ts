import { visibleTop } from '../store/view/cursor.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { fit } from '../widgets/text.ts';
import { framed, type Room } from './framed.ts';
import type { PaletteEntry } from './palette.ts';

const WIDTH = 56;

export function paletteDialog(over: Room, entries: readonly PaletteEntry[], choice: number): Box {
  const width = Math.min(WIDTH, over.columns - 8);
  const room = Math.max(1, Math.min(14, over.rows - 3));
  const top = visibleTop(0, choice, room, entries.length);
  const lines = entries.slice(top, top + room).map(({ title, key }, index): Span[] => {
    const chosen = top + index === choice;
    const text = fit(title, width - 6);
    if (chosen) return [['chosen', fit(`▸ ${text}${fit(key, 4, 'right')}`, width)]];
    return [
      ['plain', `  ${text}`],
      ['accent', fit(key, 4, 'right')],
    ];
  });
  if (lines.length === 0) lines.push([['muted', fit('Nothing has this name.', width)]]);
  return framed(over, { title: 'Go to, or do', lines });
}
