import { keyFor, keysFor } from '../keys/places.ts';
import { type ActionLine, describeAction } from '../store/actions/action-line.ts';
import { type Action, CONFIRMED_ACTIONS, type ConfirmedVerb } from '../store/actions/actions.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { wrapWords } from '../widgets/text.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

const SHOWN_NAMES = 8;
/** Minimum rows for names: one name, and the number of others. */
const MIN_LISTED = 2;
/** Rows for the answers. */
const ANSWERS = 1;

/** Asks before an action runs: shows its targets and what it does. */
export function confirmDialog(
  over: DialogArea,
  action: Action<ConfirmedVerb>,
  /** `ready`: the dialog accepts an answer. */
  { past, ready }: { past: readonly ActionLine[]; ready: boolean },
): Box {
  const { names, verb } = action;
  const { word, consequence, asks } = CONFIRMED_ACTIONS[verb];
  const words = (text: string) => wrapWords(text, over.columns - 8);
  const consequences = words(consequence);
  const several = names.length > 1;
  // The question may contain a long error. The consequences and the answers are always visible.
  const rows = over.rows - 2 - ANSWERS - consequences.length - (several ? MIN_LISTED : 0);
  const asked = shortened(words(describeAction(action, past)), Math.max(1, rows));
  // A single name is part of the question.
  const listed = several ? names.slice(0, Math.min(SHOWN_NAMES, Math.max(1, over.rows - 10))) : [];
  const more = several ? names.length - listed.length : 0;
  const lines: Span[][] = [
    [],
    ...asked.map((text): Span[] => [['strong', text]]),
    ...consequences.map((text): Span[] => [['plain', text]]),
    [],
    ...listed.map((name): Span[] => [['muted', `  ${name}`]]),
    ...(more > 0 ? [[['muted', `  and ${more} more`]] as Span[]] : []),
    ...(listed.length > 0 ? [[]] : []),
    ready
      ? [
          ['accent', keyFor('confirm.yes')],
          ['plain', ` ${word}      `],
          ['accent', keysFor('confirm.no')],
          ['plain', ' cancel'],
        ]
      : [['muted', '…']],
  ];
  const title = `${word.slice(0, 1).toUpperCase()}${word.slice(1)}?`;
  return drawDialog(over, { title, lines, tone: asks === 'always' ? 'warn' : 'accent' });
}

function shortened(lines: readonly string[], rows: number): readonly string[] {
  return lines.length <= rows ? lines : [...lines.slice(0, rows - 1), '…'];
}
