import { type ActionLine, describeAction } from '../store/action-line.ts';
import { ACTIONS, type Action } from '../store/actions.ts';
import type { Span } from '../widgets/line.ts';
import type { Box } from '../widgets/repaint.ts';
import { wrapWords } from '../widgets/text.ts';
import { framed, type Room } from './framed.ts';

const SHOWN_NAMES = 8;

/** States what an action will hit before it does. */
export function confirmDialog(over: Room, action: Action, past: readonly ActionLine[]): Box {
  const { names, verb } = action;
  const { word, consequence, asks } = ACTIONS[verb];
  // Names are listed only where one line is not enough to know them.
  const listed = names.length === 1 ? [] : names.slice(0, Math.min(SHOWN_NAMES, Math.max(1, over.rows - 10)));
  const more = names.length === 1 ? 0 : names.length - listed.length;
  const sentence = wrapWords(describeAction(action, past), over.columns - 8);
  const lines: Span[][] = [
    [],
    ...sentence.map((text): Span[] => [['strong', text]]),
    ...wrapWords(consequence, over.columns - 8).map((text): Span[] => [['plain', text]]),
    [],
    ...listed.map((name): Span[] => [['muted', `  ${name}`]]),
    ...(more > 0 ? [[['muted', `  and ${more} more`]] as Span[]] : []),
    ...(listed.length > 0 ? [[]] : []),
    [
      ['accent', 'y'],
      ['plain', ` ${word}      `],
      ['accent', 'n'],
      ['plain', ' or '],
      ['accent', 'Esc'],
      ['plain', ' leave as it is'],
    ],
  ];
  const title = `${word.slice(0, 1).toUpperCase()}${word.slice(1)}?`;
  return framed(over, { title, lines, tone: asks === 'always' ? 'warn' : 'accent' });
}
