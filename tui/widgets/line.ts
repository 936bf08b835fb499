import type { Theme, Token } from '../theme.ts';
import { cut, widthOf } from './text.ts';

/** A piece of a line with what it means; several make a line. */
export type Span = readonly [Token, string];

/** One painted line of at most `width` columns; what does not fit is cut with an ellipsis. */
export function paintLine(theme: Theme, spans: readonly Span[], width: number): string {
  let left = width;
  let line = '';
  for (const [token, text] of spans) {
    if (left <= 0) break;
    const shown = cut(text, left);
    left -= widthOf(shown);
    line += theme.paint(token, shown);
  }
  return line;
}

/** Left and right spans on one line, the space between filled; the left side gives way. */
export function paintSplit(
  theme: Theme,
  left: readonly Span[],
  right: readonly Span[],
  width: number,
): string {
  const room = Math.max(0, width - widthOfSpans(right) - 1);
  const gap = Math.max(0, room - widthOfSpans(left)) + 1;
  return (
    paintLine(theme, left, room) +
    paintLine(theme, [['plain', ' '.repeat(gap)], ...right], width - Math.min(room, widthOfSpans(left)))
  );
}

export function widthOfSpans(spans: readonly Span[]): number {
  return spans.reduce((sum, [, text]) => sum + widthOf(text), 0);
}
