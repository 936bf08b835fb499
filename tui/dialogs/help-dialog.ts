import type { Place } from '../keys/places.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import { framed, type Room } from './framed.ts';
import { helpLines, helpRows } from './help-lines.ts';

export function helpDialog(over: Room, place: Place, top: number): Box {
  const all = helpLines(place);
  const room = helpRows(over.rows);
  const shown = all.slice(top, top + room);
  // The widest line of all, so that the box does not change its size while it is scrolled.
  const width = Math.max(...all.map((spans) => spans.reduce((sum, [, text]) => sum + text.length, 0)));
  const rest =
    all.length > room ? `${top + 1}–${Math.min(all.length, top + room)} of ${all.length}, ↑↓ scroll, ` : '';
  return framed(over, {
    title: `Keys   ${rest}Esc closes`,
    lines: [...shown, [['plain', ' '.repeat(width)]]],
  });
}
