import { moveCursor } from '../../store/view/cursor.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import type { Console, Size } from '../console.ts';
import type { List } from '../screen.ts';

/** Marks or unmarks one, and goes on to the next row: marking several in a row is one key each. */
export function toggleMark({ ui }: Console, list: List, key: string, size: Size): void {
  ui.update((state) => {
    const marks = new Set(state.marks);
    if (!marks.delete(key)) marks.add(key);
    const cursor = moveCursor(list.keys, cursorOf(state, list.id), 1, list.room(size));
    return { ...state, marks, cursors: { ...state.cursors, [list.id]: cursor } };
  });
}

/** Marks all of these, or none where all are marked already. */
export function toggleAll({ ui }: Console, keys: readonly string[]): void {
  ui.update((state) => {
    const all = keys.length > 0 && keys.every((key) => state.marks.has(key));
    const marks = new Set(state.marks);
    for (const key of keys) {
      if (all) marks.delete(key);
      else marks.add(key);
    }
    return { ...state, marks };
  });
}

export function toggleProblemsOnly({ ui }: Console): true {
  ui.update((state) => ({ ...state, problemsOnly: !state.problemsOnly }));
  return true;
}

/** True when there was something to take back. */
export function showAllInstances({ ui }: Console): boolean {
  if (!ui.get().problemsOnly) return false;
  ui.update((state) => ({ ...state, problemsOnly: false }));
  return true;
}

/** True when there were any. */
export function clearMarks({ ui }: Console): boolean {
  if (ui.get().marks.size === 0) return false;
  ui.update((state) => ({ ...state, marks: new Set() }));
  return true;
}
