import type { Theme, Token } from '../theme.ts';
import { cut, takeColumns, widthOf } from './text.ts';

/** A piece of a line, and its meaning. */
export type Span = readonly [Token, string];

/** Paints spans as one line, and cuts it after `width` columns. */
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

/** Paints spans at both ends of a line. If there is not enough room, the left side is cut. */
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

/** Paints spans as exactly `rows` lines, wrapped between words. The last line is cut. */
export function paintWrapped(theme: Theme, spans: readonly Span[], width: number, rows: number): string[] {
  const lines: string[] = [];
  let rest = spans;
  while (lines.length < rows - 1 && widthOfSpans(rest) > width) {
    const text = rest.map(([, part]) => part).join('');
    const line = takeColumns(text, width);
    const space = line.lastIndexOf(' ');
    const end = space > 0 ? space : line.length;
    lines.push(paintLine(theme, slice(rest, 0, end), width));
    rest = [['plain', ' '], ...slice(rest, space > 0 ? end + 1 : end)];
  }
  lines.push(paintLine(theme, rest, width));
  while (lines.length < rows) lines.push('');
  return lines;
}

/** The spans between two positions, counted in code units. */
function slice(spans: readonly Span[], start: number, end = Number.POSITIVE_INFINITY): Span[] {
  let at = 0;
  return spans.flatMap(([token, text]): Span[] => {
    const part = text.slice(Math.max(0, start - at), Math.max(0, end - at));
    at += text.length;
    return part === '' ? [] : [[token, part]];
  });
}
