import stringWidth from 'string-width';
import type { Colour } from './context.ts';
import { printable } from './printable.ts';

export interface Column<T> {
  title: string;
  cell(row: T): string | number | null;
  colour?(row: T): Colour | null;
}

/** Aligned by what a terminal shows, two spaces apart; numbers stand on the right, nothing is cut. */
export function formatTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  paint: (colour: Colour, text: string) => string,
): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const texts = cells.map((row) => row.map((cell) => (cell === null ? '–' : printable(String(cell)))));
  const widths = columns.map(({ title }, index) =>
    Math.max(stringWidth(title), ...texts.map((row) => stringWidth(row[index] ?? ''))),
  );
  const line = (
    row: readonly string[],
    isNumber: (index: number) => boolean,
    colours: readonly (Colour | null)[],
  ): string =>
    row
      .map((text, index) => {
        const gap = ' '.repeat((widths[index] ?? 0) - stringWidth(text));
        const colour = colours[index];
        const painted = colour ? paint(colour, text) : text;
        return isNumber(index) ? gap + painted : painted + gap;
      })
      .join('  ')
      .trimEnd();
  const numeric = columns.map((_, index) => cells.some((row) => typeof row[index] === 'number'));
  const isNumber = (index: number): boolean => numeric[index] === true;
  const header = line(
    columns.map(({ title }) => title),
    isNumber,
    columns.map(() => 'bold'),
  );
  const body = rows.map((row, index) =>
    line(
      texts[index] ?? [],
      isNumber,
      columns.map((column) => column.colour?.(row) ?? null),
    ),
  );
  return [header, ...body].join('\n');
}
