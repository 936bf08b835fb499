import stringWidth from 'string-width';
import { type CliContext, type Colour, painter, printLine } from '../context.ts';
import { withOwnCommand } from '../own-command.ts';
import { printable } from './print.ts';

export interface Column<T> {
  title: string;
  cell(row: T): string | number | null;
  colour?(row: T): Colour | null;
  /** On a narrow terminal, the text is cut, but not below this number of characters. */
  cutTo?: number;
  /** The column may be hidden on a narrow terminal; the highest number first. */
  hide?: number;
}

/** Values of TABLE_OPTIONS. */
export interface TableArguments {
  json: boolean;
  wide: boolean;
}

type Paint = (colour: Colour, text: string) => string;

const GAP = '  ';
/** The text for a missing value. */
export const NOTHING = '–';

/** On a terminal, cuts the table to its width, unless `wide`. Elsewhere, prints everything. */
export function printTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  { wide }: Pick<TableArguments, 'wide'>,
  context: CliContext,
): void {
  const { stdout, stderr, env } = context;
  const available = stdout.isTTY === true && !wide ? stdout.columns : undefined;
  const localized = columns.map((column) => ({
    ...column,
    cell: (row: T) => {
      const cell = column.cell(row);
      return typeof cell === 'string' ? withOwnCommand(cell, context) : cell;
    },
  }));
  const { text, isWhole } = formatTable(rows, localized, painter(stdout, env), available);
  printLine(stdout, text);
  if (!isWhole) printLine(stderr, 'fathomd: the table is wider than this terminal; --wide shows everything');
}

/** Aligns columns by display width, two spaces apart, numbers to the right. Cuts only if `available` is given. */
export function formatTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  paint: Paint,
  available = Number.POSITIVE_INFINITY,
): { text: string; isWhole: boolean } {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const texts = cells.map((row) => row.map((cell, index) => cellText(cell, index === columns.length - 1)));
  const natural = columns.map(({ title }, index) =>
    Math.max(stringWidth(title), ...texts.map((row) => stringWidth(row[index] ?? ''))),
  );
  const widths = fitWidths(columns, natural, available);
  const line = (row: readonly string[], colours: readonly (Colour | null)[]): string =>
    widths
      .flatMap((width, index) => {
        if (width === null) return [];
        const text = cut(row[index] ?? '', width);
        const gap = ' '.repeat(Math.max(0, width - stringWidth(text)));
        const colour = colours[index];
        const painted = colour ? paint(colour, text) : text;
        const isNumber = cells.some((cellsOfRow) => typeof cellsOfRow[index] === 'number');
        return [isNumber ? gap + painted : painted + gap];
      })
      .join(GAP)
      .trimEnd();
  const header = line(
    columns.map(({ title }) => title),
    columns.map(() => 'bold'),
  );
  const body = rows.map((row, index) =>
    line(
      texts[index] ?? [],
      columns.map((column) => column.colour?.(row) ?? null),
    ),
  );
  return {
    text: [header, ...body].join('\n'),
    isWhole: widths.every((width, index) => width === natural[index]),
  };
}

/** Scripts split lines at two spaces: no cell contains two spaces, and only the last may be empty. */
function cellText(cell: string | number | null, isLast: boolean): string {
  if (cell === null) return NOTHING;
  const text = printable(String(cell)).replace(/\s+/g, ' ').trim();
  return text === '' && !isLast ? NOTHING : text;
}

/**
 * The width of each column; null for a hidden one. Pure.
 *
 * @param natural the widths that show everything
 */
export function fitWidths(
  columns: readonly Pick<Column<never>, 'cutTo' | 'hide'>[],
  natural: readonly number[],
  available: number,
): (number | null)[] {
  const least = columns.map(({ cutTo }, index) =>
    Math.min(natural[index] ?? 0, cutTo ?? Number.POSITIVE_INFINITY),
  );
  const shown = new Set(columns.keys());
  const total = (widths: readonly number[]): number =>
    [...shown].reduce((sum, index) => sum + (widths[index] ?? 0) + GAP.length, -GAP.length);
  while (total(least) > available) {
    const hideable = [...shown].filter((index) => columns[index]?.hide !== undefined);
    const next = hideable.toSorted((a, b) => (columns[b]?.hide ?? 0) - (columns[a]?.hide ?? 0))[0];
    if (next === undefined) break;
    shown.delete(next);
  }
  const widths = [...natural];
  const widest = (floor: readonly number[]): number | undefined =>
    [...shown]
      .filter((index) => (widths[index] ?? 0) > (floor[index] ?? 0))
      .toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0];
  const ones = columns.map(() => 1);
  while (total(widths) > available) {
    const index = widest(least) ?? widest(ones);
    if (index === undefined) break;
    widths[index] = (widths[index] ?? 0) - 1;
  }
  return widths.map((width, index) => (shown.has(index) ? width : null));
}

const graphemes = new Intl.Segmenter();

function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}
