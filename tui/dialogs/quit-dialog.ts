import { keyFor, keysFor } from '../keys/places.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { fit } from '../widgets/text.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

/** Shown only if the console was started together with its daemon (`npm start`). */
export function quitDialog(over: DialogArea, ready: boolean): Box {
  const lines: Span[][] = [
    [],
    [['plain', 'Should the daemon and all databases keep running?']],
    [],
    answer(keysFor('quit.keep'), 'quit; the daemon keeps running'),
    answer(keyFor('quit.stop'), 'quit and stop the daemon with all databases'),
    answer(keyFor('quit.cancel'), 'stay in the console'),
  ];
  // The answers are shown when the dialog accepts them.
  if (!ready) lines.splice(3, 3, [['muted', '…']], [], []);
  return drawDialog(over, { title: 'Quit the console', lines });
}

function answer(keys: string, text: string): Span[] {
  return [
    ['accent', fit(keys, 8)],
    ['plain', text],
  ];
}
