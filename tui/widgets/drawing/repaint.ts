/* oxlint-disable no-control-regex -- telling colours from all other control sequences is what the pattern is for */

/** All that the terminal shows: one painted text per row, and at most one box over them. */
export interface Frame {
  columns: number;
  rows: readonly string[];
  box: Box | null;
  /** Another number than before begins anew, whatever is thought to be on the screen. */
  redraws: number;
}

/** Painted rows whose first one stands `left` columns and `top` rows from the upper left corner. */
export interface Box {
  top: number;
  left: number;
  rows: readonly string[];
}

// Whatever happens in between is shown at once, where the terminal knows how; a row too long is cut, not wrapped.
const BEGIN = '\u001B[?2026h\u001B[?7l';
// The cursor rests where a line feed or an erased line of Ink's own does no harm.
const END = '\u001B[H\u001B[?7h\u001B[?2026l';
const CLEAR = '\u001B[2J';

/** Everything that moves the cursor or is obeyed; colours remain. Data is made harmless before; this is the last gate. */
const CONTROLS = /\u001B(?!\[[\d;]*m)|[\u0000-\u001A\u001C-\u001F\u007F-\u009F]/g;

/**
 * What to write so that a terminal that shows `before` shows `after`: every row that differs, each at its own place, so
 * that a character whose width the terminal sees otherwise never moves another row. Empty where nothing differs; null,
 * another size or another drawing begins anew.
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
  // Erased first: at the end of a full row, the cursor stands on its last character.
  const below = `\u001B[${row + 1};1H\u001B[2K${stripControls(frame.rows[row] ?? '')}`;
  if (above === undefined) return below;
  return `${below}\u001B[${(frame.box?.left ?? 0) + 1}G${stripControls(above)}`;
}

function stripControls(text: string): string {
  return text.replace(CONTROLS, '');
}
