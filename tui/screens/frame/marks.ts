import { moveCursor } from '../../store/view/cursor.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import type { Console, Size } from '../console.ts';
import type { List } from '../screen.ts';

/** Marks or unmarks a row, and moves to the next one. */
export function toggleMark({ ui }: Console, list: List, key: string, size: Size): void {
  ui.update((state) => {
    const marks = new Set(state.marks);
    if (!marks.delete(key)) marks.add(key);
    const cursor = moveCursor(list.keys, cursorOf(state, list.id), 1, list.room(size));
    return { ...state, marks, cursors: { ...state.cursors, [list.id]: cursor } };
  });
}

/** Marks all these rows, or unmarks them if all are marked. */
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

/** @returns false if all instances are shown already */
export function showAllInstances({ ui }: Console): boolean {
  if (!ui.get().problemsOnly) return false;
  ui.update((state) => ({ ...state, problemsOnly: false }));
  return true;
}

/** @returns false if no row is marked */
export function clearMarks({ ui }: Console): boolean {
  if (ui.get().marks.size === 0) return false;
  ui.update((state) => ({ ...state, marks: new Set() }));
  return true;
}
