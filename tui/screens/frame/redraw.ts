import type { Console } from '../console.ts';

/** Something else has written to the terminal: nothing of what is thought to be on it counts. */
export function drawAnew({ ui }: Console): void {
  ui.update((state) => ({ ...state, drawing: state.drawing + 1 }));
}
