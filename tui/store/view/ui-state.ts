import type { Action, ConfirmedVerb } from '../actions/actions.ts';
import type { CopyChoice } from '../copy/copy-choice.ts';
import type { LevelFilter } from '../logs/log-buffer.ts';
import { FIRST_LIMIT } from '../pages/latest.ts';
import { type Cursor, TOP_OF_LIST } from './cursor.ts';
import type { Form } from './form.ts';
import { type Location, NO_TRAIL, type Trail, topLocation } from './location.ts';
import type { Sort } from './sort.ts';

/** What the administrator looks at; the fleet itself is in `FleetState`. */
export interface UiState {
  at: Location;
  trail: Trail;
  /** By list. */
  cursors: Readonly<Record<string, Cursor>>;
  /** By list. */
  filters: Readonly<Record<string, string>>;
  /** How many of its latest are wanted, by list; missing for what a list begins with. */
  limits: Readonly<Record<string, number>>;
  /** First row in view, by text. */
  tops: Readonly<Record<string, number>>;
  sort: Sort;
  marks: ReadonlySet<string>;
  /** Lists of instances show only those that are not fine. */
  problemsOnly: boolean;
  /** The terminal reports the mouse, and does not select text by itself. */
  mouse: boolean;
  /** Causes whose problems are shown one by one. */
  expanded: ReadonlySet<string>;
  log: LogView;
  prompt: Prompt | null;
  dialog: Dialog | null;
  /** The question that takes keys by now: its answers are shown. */
  answerable: object | null;
  /** Number of the last failed action that was taken note of. */
  dismissed: number;
  /** One sentence in answer to a key; the next key takes it away. */
  notice: { text: string; at: number } | null;
  /** Counts how often everything was to be drawn anew, as something else has written to the terminal. */
  redraws: number;
}

export interface LogView {
  /** One past the number of the last line shown; null follows the end, or shows the moment. */
  end: number | null;
  /** The log is shown as it was at this time, until it is scrolled. */
  moment: string | null;
  search: string;
  /** Number of the line whose match was jumped to. */
  match: number | null;
  wrap: boolean;
  level: LevelFilter;
}

/** A line being typed. `before` comes back with Esc. */
export type Prompt = { text: string; before: string } & (
  | { kind: 'filter'; list: string; hint: string }
  | { kind: 'search' }
  /** `choice` is an index of the palette's entries. */
  | { kind: 'palette'; choice: number }
);

export type Dialog =
  | { kind: 'form'; form: Form }
  | { kind: 'confirm'; action: Action<ConfirmedVerb> }
  | { kind: 'help'; top: number }
  /** `choice` is an index. */
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
