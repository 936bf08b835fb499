import type { CopyChoice } from '../store/copy/copy-choice.ts';
import { sanitise } from '../store/text/sanitise.ts';
import { visibleTop } from '../store/view/cursor.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { fit, widthOf } from '../widgets/text.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

const MAX_WIDTH = 90;

/** Lists what can be copied: the key, a description and the start of each text. */
export function copyDialog(over: DialogArea, choices: readonly CopyChoice[], choice: number): Box {
  const width = Math.min(MAX_WIDTH, over.columns - 8);
  const room = Math.max(1, over.rows - 4);
  const top = visibleTop(0, choice, room, choices.length);
  const label = Math.max(0, ...choices.map(({ what }) => widthOf(what)));
  const lines = choices.slice(top, top + room).map(({ key, what, text }, index): Span[] => {
    const shown = fit(sanitise(text), Math.max(8, width - label - 8));
    if (top + index === choice) return [['chosen', `▸ ${key}  ${fit(what, label)}  ${shown}`]];
    return [
      ['plain', '  '],
      ['accent', key],
      ['plain', `  ${fit(what, label)}  `],
      ['muted', shown],
    ];
  });
  return drawDialog(over, { title: 'Copy', lines });
}
