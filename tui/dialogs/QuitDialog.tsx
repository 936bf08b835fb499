import type { Span } from '../widgets/line.ts';
import { DialogFrame, type DialogProps } from './DialogFrame.tsx';

/** Asked only by the console that came up together with its daemon (`npm start`). */
export function QuitDialog(frame: DialogProps) {
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
  return <DialogFrame {...frame} title="Leave the console" lines={lines} />;
}
