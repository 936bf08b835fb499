import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

/** Asked only by the console that came up together with its daemon (`npm start`). */
export function quitDialog(over: DialogArea, ready: boolean): Box {
  const lines: Span[][] = [
    [],
    [['plain', 'Should the daemon, and with it every database, keep running?']],
    [],
    [
      ['accent', 'k'],
      ['plain', ' or '],
      ['accent', '⏎'],
      ['plain', '  leave, the daemon keeps running'],
    ],
    [
      ['accent', 's'],
      ['plain', '       leave, stop the daemon and all databases'],
    ],
    [
      ['accent', 'Esc'],
      ['plain', '     stay here'],
    ],
  ];
  // The answers are shown when they are taken.
  if (!ready) lines.splice(3, 3, [['muted', '…']], [], []);
  return drawDialog(over, { title: 'Leave the console', lines });
}
