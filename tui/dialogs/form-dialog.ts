import { keyFor } from '../keys/places.ts';
import { sanitise } from '../store/text/sanitise.ts';
import { commandOfForm, type Form } from '../store/view/form.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { cutStart, fit, widthOf, wrapWords } from '../widgets/text.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

const VALUE = 56;

/** Draws a form. Secrets are not drawn, not even their length. */
export function formDialog(over: DialogArea, form: Form, ready: boolean): Box {
  const { fields, at, error, busy } = form;
  const command = commandOfForm(form);
  const label = Math.max(0, ...fields.map((field) => widthOf(field.label)));
  const room = Math.max(10, Math.min(VALUE, over.columns - label - 12));
  const words = (text: string) => wrapWords(text, label + room + 4);
  const about = form.about
    .split('\n')
    .flatMap(words)
    .map((text): Span[] => [['plain', text]]);
  const same = command === undefined ? [] : commandLines(words(`fathomd ${command}`));
  const input: Span[][] = [
    ...fields.map((field, index): Span[] => {
      const chosen = index === at && !busy;
      return [
        [chosen ? 'accent' : 'muted', `${chosen ? '▸' : ' '} ${fit(field.label, label)}  `],
        ['plain', shownValue(field, room)],
        ['chosen', chosen && typeof field.kind === 'string' ? ' ' : ''],
      ];
    }),
    ...(fields.length > 0 ? [[]] : []),
    ...(error === null ? [] : words(error).map((text): Span[] => [['bad', text]])),
    busy
      ? [['busy', '◌ waiting for the response']]
      : fields.length === 0 && !ready
        ? [['muted', '…']]
        : [
            ['accent', keyFor('form.send')],
            ['plain', ` ${form.verb}     `],
            ...(fields.length > 1
              ? ([
                  ['accent', keyFor('form.next')],
                  ['plain', ' next field     '],
                ] as Span[])
              : []),
            ['accent', keyFor('form.cancel')],
            ['plain', ' cancel'],
          ],
  ];
  // The input and the error are always visible, the other lines only if there is enough room.
  const complete = [[], ...about, [], ...same, ...input];
  const least = input.filter((spans) => spans.length > 0);
  const left = Math.max(0, over.rows - 2 - least.length);
  const lines = complete.length <= over.rows - 2 ? complete : [...shortened(about, left), ...least];
  return drawDialog(over, { title: form.title, lines, tone: form.danger ? 'bad' : 'accent' });
}

function shortened(lines: readonly Span[][], room: number): readonly Span[][] {
  if (lines.length <= room) return lines;
  return [
    ...lines.slice(0, Math.max(0, room - 1)),
    [['warn', '… use a larger terminal to see the whole text']],
  ];
}

function commandLines(command: readonly string[]): Span[][] {
  return [
    [
      ['muted', 'Command that does the same ('],
      ['accent', keyFor('form.copy')],
      ['muted', ' copies it):'],
    ],
    ...command.map((text): Span[] => [['muted', text]]),
    [],
  ];
}

function shownValue({ kind, value }: Form['fields'][number], room: number): string {
  if (kind === 'secret') return value === '' ? '' : '(typed, not shown)';
  if (typeof kind === 'object') return `‹ ${value} ›`;
  return cutStart(sanitise(value), room - 1);
}
