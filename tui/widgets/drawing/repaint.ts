/* oxlint-disable no-control-regex -- distinguishes colours from other control sequences on purpose */

/** The content of the terminal: one painted text per row, and at most one box over them. */
export interface Frame {
  columns: number;
  rows: readonly string[];
  box: Box | null;
  /** A new number draws everything again, also rows that did not change. */
  redraws: number;
}

/** Painted rows, `left` columns and `top` rows from the upper left corner. */
export interface Box {
  top: number;
  left: number;
  rows: readonly string[];
}

// Synchronized output, if the terminal supports it; no automatic wrap, so that long rows are cut.
const BEGIN = '\u001B[?2026h\u001B[?7l';
// The cursor rests where line feeds and erased lines from Ink do no harm.
const END = '\u001B[H\u001B[?7h\u001B[?2026l';
const CLEAR = '\u001B[2J';

/** All control sequences except colours. Data was sanitised before; this is the last check. */
const CONTROLS = /\u001B(?!\[[\d;]*m)|[\u0000-\u001A\u001C-\u001F\u007F-\u009F]/g;

/**
 * The text to write to a terminal that shows `before`, so that it shows `after`; empty if nothing changed. Rows are
 * positioned one by one, so that a character with an unexpected width never moves another row. Draws all rows if `before`
 * is null or the size or the number of redraws changed.
 */
export function repaint(before: Frame | null, after: Frame): string {
  const known = before !== null && isSameScreen(before, after) ? before : null;
  let changed = '';
  for (let row = 0; row < after.rows.length; row += 1) {
    if (known === null || rowDiffers(known, after, row)) changed += drawRow(after, row);
  }
  if (known !== null && changed === '') return '';
  return BEGIN + (known === null ? CLEAR : '') + changed + END;
}

function isSameScreen(a: Frame, b: Frame): boolean {
  return a.redraws === b.redraws && a.columns === b.columns && a.rows.length === b.rows.length;
}

function rowDiffers(before: Frame, after: Frame, row: number): boolean {
  return (
    before.rows[row] !== after.rows[row] ||
    boxRow(before, row) !== boxRow(after, row) ||
    (boxRow(after, row) !== undefined && before.box?.left !== after.box?.left)
  );
}

function boxRow({ box }: Frame, row: number): string | undefined {
  return box?.rows[row - box.top];
}

function drawRow(frame: Frame, row: number): string {
  const above = boxRow(frame, row);
  // Erased before writing: after a full row, the cursor is on its last character.
  const below = `\u001B[${row + 1};1H\u001B[2K${stripControls(frame.rows[row] ?? '')}`;
  if (above === undefined) return below;
  return `${below}\u001B[${(frame.box?.left ?? 0) + 1}G${stripControls(above)}`;
}

function stripControls(text: string): string {
  return text.replace(CONTROLS, '');
}
