import { type ActionLine, describeAction, type Verb } from '../store/action-line.ts';
import type { Span } from '../widgets/line.ts';
import { DialogFrame, type DialogProps } from './DialogFrame.tsx';

const SHOWN_NAMES = 8;

const CONSEQUENCES: Readonly<Record<Verb, string>> = {
  start: 'They are started, whatever stopped them.',
  stop: 'Their users are cut off until somebody starts them again. No data is lost.',
  restart: 'Their users are cut off for a moment. No data is lost.',
};

/** States what an action will hit before it does. */
export function ConfirmDialog({
  verb,
  names,
  past,
  ...frame
}: DialogProps & { verb: Verb; names: readonly string[]; past: readonly ActionLine[] }) {
  // Names are listed only where one line is not enough to know them.
  const listed =
    names.length === 1 ? [] : names.slice(0, Math.min(SHOWN_NAMES, Math.max(1, frame.rows - 10)));
  const more = names.length === 1 ? 0 : names.length - listed.length;
  const lines: Span[][] = [
    [],
    [['strong', describeAction(verb, names, past)]],
    [['plain', CONSEQUENCES[verb]]],
    [],
    ...listed.map((name): Span[] => [['muted', `  ${name}`]]),
    ...(more > 0 ? [[['muted', `  and ${more} more`]] as Span[]] : []),
    ...(listed.length > 0 ? [[]] : []),
    [
      ['accent', 'y'],
      ['plain', ` ${verb}      `],
      ['accent', 'n'],
      ['plain', ' or '],
      ['accent', 'Esc'],
      ['plain', ' leave as it is'],
    ],
  ];
  const title = `${verb.slice(0, 1).toUpperCase()}${verb.slice(1)}?`;
  return <DialogFrame {...frame} title={title} lines={lines} tone={verb === 'start' ? 'accent' : 'warn'} />;
}
