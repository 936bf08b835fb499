/**
 * The cursor of a list whose rows may change. It follows the row with its key. If that row is removed, the cursor stays at
 * its index.
 */
export interface Cursor {
  key: string | null;
  index: number;
  /** Index of the first visible row. */
  top: number;
}

export const TOP_OF_LIST: Cursor = { key: null, index: 0, top: 0 };

export type Move = number | 'first' | 'last';

/** Index of the row with the cursor; -1 in an empty list. */
export function cursorIndex(keys: readonly string[], cursor: Cursor): number {
  if (cursor.key !== null && keys[cursor.index] === cursor.key) return cursor.index;
  const found = cursor.key === null ? -1 : keys.indexOf(cursor.key);
  return found === -1 ? Math.min(cursor.index, keys.length - 1) : found;
}

/** Index of the first visible row. It changes only if the cursor or the end of the list would be out of view. */
export function visibleTop(top: number, index: number, rows: number, length: number): number {
  const latest = Math.max(0, length - rows);
  const kept = Math.min(Math.max(0, top), latest);
  if (index < kept) return Math.max(0, index);
  return index >= kept + rows ? Math.min(index - rows + 1, latest) : kept;
}

export function moveCursor(keys: readonly string[], cursor: Cursor, move: Move, rows: number): Cursor {
  const last = keys.length - 1;
  if (last < 0) return TOP_OF_LIST;
  const target = move === 'first' ? 0 : move === 'last' ? last : cursorIndex(keys, cursor) + move;
  const index = Math.min(Math.max(0, target), last);
  return { key: keys[index] ?? null, index, top: visibleTop(cursor.top, index, rows, keys.length) };
}

/** The first visible row of a text with `length` rows, of which `room` fit on the screen, after a movement. */
export function scrollTop(
  from: number,
  move: Move,
  { length, room }: { length: number; room: number },
): number {
  const latest = Math.max(0, length - room);
  const wanted = move === 'first' ? 0 : move === 'last' ? latest : Math.min(from, latest) + move;
  return Math.min(latest, Math.max(0, wanted));
}
