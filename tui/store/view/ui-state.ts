import type { Action, ConfirmedVerb } from '../actions/actions.ts';
import type { CopyChoice } from '../copy/copy-choice.ts';
import type { LevelFilter } from '../logs/log-buffer.ts';
import { FIRST_LIMIT } from '../pages/latest.ts';
import { type Cursor, TOP_OF_LIST } from './cursor.ts';
import type { Form } from './form.ts';
import { type Location, NO_TRAIL, type Trail, topLocation } from './location.ts';
import type { Sort } from './sort.ts';

/** What the user sees: location, cursors, filters, dialogs. The state of the fleet is in `FleetState`. */
export interface UiState {
  at: Location;
  trail: Trail;
  /** By id of the list. */
  cursors: Readonly<Record<string, Cursor>>;
  /** By id of the list. */
  filters: Readonly<Record<string, string>>;
  /** Number of items to load, by id of the list; missing for the default. */
  limits: Readonly<Record<string, number>>;
  /** First visible row, by id of the text. */
  tops: Readonly<Record<string, number>>;
  sort: Sort;
  marks: ReadonlySet<string>;
  /** Lists of instances show only instances with a problem. */
  problemsOnly: boolean;
  /** The terminal reports the mouse instead of selecting text. */
  mouse: boolean;
  /** Causes whose problems are listed one by one. */
  expanded: ReadonlySet<string>;
  log: LogView;
  prompt: Prompt | null;
  dialog: Dialog | null;
  /** The question that accepts keys now. Its answers are shown. */
  answerable: object | null;
  /** Id of the last failed action that the user dismissed. */
  dismissed: number;
  /** A sentence in the status line, as the answer to a key. The next key removes it. */
  notice: { text: string; at: number } | null;
  /** Increased to draw everything again, after another program wrote to the terminal. */
  redraws: number;
}

export interface LogView {
  /** The number after the last visible line; null to follow the end or to show the moment. */
  end: number | null;
  /** The log is shown at this time until it is scrolled. */
  moment: string | null;
  search: string;
  /** Number of the line with the current match. */
  match: number | null;
  wrap: boolean;
  level: LevelFilter;
}

/** The input line. Cancelling it restores `before`. */
export type Prompt = { text: string; before: string } & (
  | { kind: 'filter'; list: string; hint: string }
  | { kind: 'search' }
  /** `choice` is the index of an entry in the palette. */
  | { kind: 'palette'; choice: number }
);

export type Dialog =
  | { kind: 'form'; form: Form }
  | { kind: 'confirm'; action: Action<ConfirmedVerb> }
  | { kind: 'help'; top: number }
  /** `choice` is an index of `choices`. */
  | { kind: 'copy'; choices: readonly CopyChoice[]; choice: number }
  | { kind: 'quit' };

export const INITIAL_LOG_VIEW: LogView = {
  end: null,
  moment: null,
  search: '',
  match: null,
  wrap: false,
  level: 'all',
};

export function initialUi(): UiState {
  return {
    at: topLocation('overview'),
    trail: NO_TRAIL,
    cursors: {},
    filters: {},
    limits: {},
    tops: {},
    sort: { column: 'name', reversed: false },
    marks: new Set(),
    problemsOnly: false,
    mouse: false,
    expanded: new Set(),
    log: INITIAL_LOG_VIEW,
    prompt: null,
    dialog: null,
    answerable: null,
    dismissed: 0,
    notice: null,
    redraws: 0,
  };
}

export function cursorOf({ cursors }: Pick<UiState, 'cursors'>, list: string): Cursor {
  return cursors[list] ?? TOP_OF_LIST;
}

export function filterOf({ filters }: Pick<UiState, 'filters'>, list: string): string {
  return filters[list] ?? '';
}

export function limitOf({ limits }: Pick<UiState, 'limits'>, list: string): number {
  return limits[list] ?? FIRST_LIMIT;
}

export function withFilter(ui: UiState, list: string, text: string): UiState {
  return { ...ui, filters: { ...ui.filters, [list]: text } };
}
