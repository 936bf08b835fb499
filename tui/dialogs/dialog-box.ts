import type { Theme, Token } from '../theme.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import { paintLine, type Span, widthOfSpans } from '../widgets/line.ts';
import { cut, widthOf } from '../widgets/text.ts';

/** The area for a dialog: the part of the screen between the header and the two lines at the bottom. */
export interface DialogArea {
  theme: Theme;
  columns: number;
  rows: number;
}

/** Draws a box with a frame and a title in the middle of the area. */
export function drawDialog(
  { theme, columns, rows }: DialogArea,
  { title, lines, tone = 'accent' }: { title: string; lines: readonly (readonly Span[])[]; tone?: Token },
): Box {
  const widest = Math.max(widthOf(title) + 2, ...lines.map(widthOfSpans));
  const inner = Math.min(columns - 4, Math.max(40, widest + 2));
  const room = Math.max(1, rows - 2);
  // Blank lines are left out if there is not enough room.
  const dense = lines.length > room ? lines.filter((spans) => spans.length > 0) : lines;
  const shown = dense.slice(0, room);
  const heading = cut(` ${title} `, inner - 1);
  const edge = (text: string) => theme.paint(tone, text);
  const drawn = [
    edge(`╭─${heading}${'─'.repeat(inner - 1 - widthOf(heading))}╮`),
    ...shown.map((spans) => {
      const text = paintLine(theme, [['plain', ' '], ...spans], inner);
      const used = Math.min(inner, widthOfSpans(spans) + 1);
      return `${edge('│')}${text}${' '.repeat(inner - used)}${edge('│')}`;
    }),
    edge(`╰${'─'.repeat(inner)}╯`),
  ];
  return {
    top: Math.max(0, Math.floor((rows - drawn.length) / 2)),
    left: Math.max(0, Math.floor((columns - inner - 2) / 2)),
    rows: drawn,
  };
}
