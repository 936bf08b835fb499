import { type Cursor, cursorIndex, visibleTop } from '../store/view/cursor.ts';
import type { Theme, Token } from '../theme.ts';
import { paintLine, type Span } from './line.ts';
import { fit, widthOf } from './text.ts';

export interface Column<T> {
  title: string;
  /** The column with the width 0 gets the rest of the line. */
  width: number;
  align?: 'left' | 'right';
  text: (row: T) => string;
  tone?: (row: T) => Token;
}

export interface Table<T> {
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  cursor: Cursor;
  marks?: ReadonlySet<string>;
  /** Shown if there are no rows. */
  empty: string;
}

/** Width of the cursor, the mark and a space before the first column. */
const GUTTER = 3;
const MIN_REST = 8;

/** The heading and `room` rows. Rows that are not visible are not drawn. */
export function drawTable<T>(theme: Theme, table: Table<T>, width: number, room: number): string[] {
  const columns = withWidths(table.columns, width);
  const { rows, keyOf, cursor, marks } = table;
  const index = cursorIndex(rows.map(keyOf), cursor);
  const top = visibleTop(cursor.top, index, room, rows.length);
  const head = columns.map(({ title, width: own, align }) => fit(title, own, align)).join(' ');
  const drawn = rows.slice(top, top + room).map((row, offset) => {
    const chosen = top + offset === index;
    const marked = marks?.has(keyOf(row)) === true;
    const gutter = `${chosen ? '▸' : ' '}${marked ? '*' : ' '} `;
    const texts = columns.map((column) => fit(column.text(row), column.width, column.align));
    // One colour for the selected row, so that its inverted bar has no gaps.
    if (chosen) return theme.paint('chosen', fit(gutter + texts.join(' '), width));
    const spans = columns.map(
      (column, nth): Span => [marked ? 'accent' : (column.tone?.(row) ?? 'plain'), `${texts[nth] ?? ''} `],
    );
    return paintLine(theme, [[marked ? 'accent' : 'plain', gutter], ...spans], width);
  });
  if (rows.length === 0) drawn.push(paintLine(theme, [['muted', `   ${table.empty}`]], width));
  while (drawn.length < room) drawn.push('');
  return [paintLine(theme, [['muted', ' '.repeat(GUTTER) + head]], width), ...drawn];
}

/** Sets the width of the column that gets the rest. Drops columns from the right if there is not enough room for it. */
function withWidths<T>(columns: readonly Column<T>[], width: number): Column<T>[] {
  const rest = columns.find((column) => column.width === 0);
  const fixed = columns.reduce((sum, column) => sum + column.width + 1, GUTTER);
  const left = width - fixed;
  if (rest === undefined) return [...columns];
  if (left < MIN_REST && columns.length > 2) {
    const last = columns.findLast((column) => column !== rest);
    return withWidths(
      columns.filter((column) => column !== last),
      width,
    );
  }
  return columns.map((column) => (column === rest ? { ...column, width: Math.max(1, left) } : column));
}

/** The width of the longest text, between `least` and `most`. */
export function widthFor(texts: Iterable<string>, least: number, most: number): number {
  let width = least;
  for (const text of texts) width = Math.max(width, Math.min(most, widthOf(text)));
  return width;
}
