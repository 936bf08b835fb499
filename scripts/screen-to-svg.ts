import xterm from '@xterm/headless';

const CELL = { width: 8.4, height: 18 } as const;
const MARGIN = 10;
const BACKGROUND = '#16181d';
const FOREGROUND = '#d8dadf';
const SIXTEEN = [
  '#16181d',
  '#e06c75',
  '#98c379',
  '#e5c07b',
  '#61afef',
  '#c678dd',
  '#56b6c2',
  '#d8dadf',
  '#7f848e',
  '#e06c75',
  '#98c379',
  '#e5c07b',
  '#61afef',
  '#c678dd',
  '#56b6c2',
  '#ffffff',
];

/** What a terminal shows, as a picture; `screen` is text with control sequences for colours. */
export async function screenToSvg(screen: string, columns: number, rows: number): Promise<string> {
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true });
  await new Promise<void>((resolve) => terminal.write(screen.trimEnd(), resolve));
  const drawn: string[] = [];
  for (let row = 0; row < rows; row += 1) drawn.push(...rowToSvg(terminal, row, columns));
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = rows * CELL.height + 2 * MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">`,
    `<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

interface Run {
  column: number;
  columns: number;
  text: string;
  look: string;
  background: string | null;
}

function rowToSvg(terminal: xterm.Terminal, row: number, columns: number): string[] {
  const y = MARGIN + row * CELL.height;
  return runsOf(terminal, row, columns).flatMap(({ column, columns: wide, text, look, background }) => {
    const x = (MARGIN + column * CELL.width).toFixed(1);
    const width = (wide * CELL.width).toFixed(1);
    const behind =
      background === null
        ? []
        : [`<rect x="${x}" y="${y}" width="${width}" height="${CELL.height}" fill="${background}"/>`];
    if (text.trim() === '') return behind;
    // The length keeps the columns aligned in every font.
    return [
      ...behind,
      `<text x="${x}" y="${y + 13}" textLength="${width}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"${look}>${escape(text)}</text>`,
    ];
  });
}

/** Cells next to each other that look the same, together. */
function runsOf(terminal: xterm.Terminal, row: number, columns: number): Run[] {
  const line = terminal.buffer.active.getLine(row);
  const runs: Run[] = [];
  for (let column = 0; column < columns; column += 1) {
    const cell = line?.getCell(column);
    if (cell === undefined || cell.getWidth() === 0) continue;
    const inverse = cell.isInverse() !== 0;
    const colour = cell.isFgDefault() ? FOREGROUND : colourOf(cell.getFgColor());
    const look =
      ` fill="${inverse ? BACKGROUND : colour}"` +
      (cell.isBold() === 0 ? '' : ' font-weight="bold"') +
      (cell.isDim() === 0 ? '' : ' opacity="0.6"');
    const background = inverse ? colour : null;
    const last = runs.at(-1);
    const text = cell.getChars() || ' ';
    if (last?.look === look && last.background === background) {
      last.text += text;
      last.columns += cell.getWidth();
    } else runs.push({ column, columns: cell.getWidth(), text, look, background });
  }
  return runs;
}

/** Of the 256: sixteen, a cube of 6 × 6 × 6, and greys. */
function colourOf(index: number): string {
  const named = SIXTEEN[index];
  if (named !== undefined) return named;
  if (index >= 232) return rgb([1, 1, 1].map((one) => one * (8 + (index - 232) * 10)));
  const place = index - 16;
  const steps = [Math.floor(place / 36), Math.floor(place / 6) % 6, place % 6];
  return rgb(steps.map((step) => (step === 0 ? 0 : 55 + step * 40)));
}

function rgb(parts: readonly number[]): string {
  return `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
