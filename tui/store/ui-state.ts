import type { Verb } from './action-line.ts';
import { type Cursor, TOP_OF_LIST } from './cursor.ts';
import type { Sort } from './sort.ts';

export type Screen = 'overview' | 'instances' | 'instance';
export type Tab = 'summary' | 'logs';

/** What the administrator looks at; the fleet itself is in `FleetState`. */
export interface UiState {
  screen: Screen;
  /** Where Esc leads from an instance. */
  back: 'overview' | 'instances';
  instance: string | null;
  tab: Tab;
  problems: Cursor;
  list: Cursor;
  filter: string;
  sort: Sort;
  marks: ReadonlySet<string>;
  /** First row of the summary that is in view. */
  summaryTop: number;
  log: LogView;
  prompt: Prompt | null;
  dialog: Dialog | null;
  /** Number of the last failed action that was taken note of. */
  dismissed: number;
  /** One sentence in answer to a key; the next key takes it away. */
  notice: { text: string; at: number } | null;
}

export interface LogView {
  /** One past the number of the last line shown; null follows the end. */
  end: number | null;
  search: string;
  /** Number of the line whose match was jumped to. */
  match: number | null;
  wrap: boolean;
}

/** A line being typed. `before` comes back with Esc. */
export interface Prompt {
  kind: 'filter' | 'search' | 'palette';
  text: string;
  before: string;
  /** Of the palette's entries. */
  choice: number;
}

export type Dialog =
  | { kind: 'confirm'; verb: Verb; names: readonly string[] }
  | { kind: 'help'; top: number }
  | { kind: 'quit' };

export const INITIAL_LOG_VIEW: LogView = { end: null, search: '', match: null, wrap: false };

export function initialUi(): UiState {
  return {
    screen: 'overview',
    back: 'instances',
    instance: null,
    tab: 'summary',
    problems: TOP_OF_LIST,
    list: TOP_OF_LIST,
    filter: '',
    sort: { column: 'name', reversed: false },
    marks: new Set(),
    summaryTop: 0,
    log: INITIAL_LOG_VIEW,
    prompt: null,
    dialog: null,
    dismissed: 0,
    notice: null,
  };
}

/** The text after one key press; null when the key means nothing to a line of text. */
export function editText(text: string, press: string): string | null {
  switch (press) {
    case 'space':
      return `${text} `;
    case 'backspace': {
      const characters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
      return characters.slice(0, -1).join('');
    }
    case 'ctrl+u':
      return '';
    case 'ctrl+w':
      return text.replace(/\S*\s*$/, '');
    default:
      // Named keys are longer than one character; of the rest, only what can be seen is text.
      return isOneCharacter(press) ? text + press : null;
  }
}

function isOneCharacter(press: string): boolean {
  return !/^[a-z+]{2,}/.test(press) && !/\p{Control}/u.test(press);
}
