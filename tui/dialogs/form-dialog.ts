import type { Form } from '../store/form.ts';
import { sanitise } from '../store/sanitise.ts';
import type { Span } from '../widgets/line.ts';
import type { Box } from '../widgets/repaint.ts';
import { cutStart, fit, widthOf, wrapWords } from '../widgets/text.ts';
import { framed, type Room } from './framed.ts';

const VALUE = 56;

/** Lines to fill in. Of a secret only that there is one is drawn, not even how long it is. */
export function formDialog(over: Room, form: Form): Box {
  const { fields, at, error, busy, command } = form;
  const label = Math.max(0, ...fields.map((field) => widthOf(field.label)));
  const room = Math.max(10, Math.min(VALUE, over.columns - label - 12));
  const words = (text: string) => wrapWords(text, label + room + 4);
  const lines: Span[][] = [
    [],
    ...form.about
      .split('\n')
      .flatMap(words)
      .map((text): Span[] => [['plain', text]]),
    [],
    ...fields.map((field, index): Span[] => {
      const chosen = index === at && !busy;
      return [
        [chosen ? 'accent' : 'muted', `${chosen ? '▸' : ' '} ${fit(field.label, label)}  `],
        ['plain', shownValue(field, room)],
        ['chosen', chosen && typeof field.kind === 'string' ? ' ' : ''],
      ];
    }),
    ...(fields.length > 0 ? [[]] : []),
    ...(command === undefined ? [] : commandLines(words(`fathomd ${command}`))),
    ...(error === null ? [] : words(error).map((text): Span[] => [['bad', text]])),
    busy
      ? [['busy', '◌ waiting for the answer']]
      : [
          ['accent', '⏎'],
          ['plain', ` ${form.verb}     `],
          ...(fields.length > 1
            ? ([
                ['accent', 'Tab'],
                ['plain', ' next line     '],
              ] as Span[])
            : []),
          ['accent', 'Esc'],
          ['plain', ' cancel'],
        ],
  ];
  return framed(over, { title: form.title, lines, tone: form.danger ? 'bad' : 'accent' });
}

function commandLines(command: readonly string[]): Span[][] {
  return [
    [
      ['muted', 'The same, to copy with '],
      ['accent', '^Y'],
      ['muted', ':'],
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
