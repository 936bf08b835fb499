import type { Command } from '../keys/commands.ts';
import type { Place } from '../keys/places.ts';
import type { CopyChoice } from '../store/copy/copy-choice.ts';
import type { OlderStatus } from '../store/pages/latest.ts';
import type { DataNeeds } from '../store/pages/pages.ts';
import type { Move } from '../store/view/cursor.ts';
import type { Thing } from '../store/view/location.ts';
import type { UiState } from '../store/view/ui-state.ts';
import type { TabStrip } from '../widgets/tabs.ts';
import type { Console, ConsoleState, Size, View } from './console.ts';

/** A list with a cursor. */
export interface List {
  /** Name under which the cursor and the filter are stored. */
  id: string;
  keys: readonly string[];
  /** Row of the body with the first visible list row. */
  from(size: Size): number;
  /** Number of visible list rows. */
  room(size: Size): number;
  /** Names of the fields that the filter searches. Absent: the list has no filter. */
  filterHint?: string;
  /** For lists that show only the newest items: the state of the older ones. */
  older?: OlderItems;
}

/** Older items of a list. They are loaded when the cursor moves past the end. */
export interface OlderItems {
  /** Name under which the number of items to load is stored. */
  id: string;
  status: OlderStatus;
  /** Why they cannot be loaded. */
  error: string | null;
}

/** Tabs on a row of the body. */
export interface Tabs {
  row: number;
  strip: TabStrip;
  /** Shows the tab with this index. */
  turn(console: Console, index: number): void;
}

/** A text without a cursor that is longer than the screen and can be scrolled. */
export interface LongText {
  id: string;
  length: number;
  room: number;
}

/**
 * One screen: pure functions of the state, and the commands of its own keys. A new screen is a file, an entry in
 * `screens.ts`, a location in `store/view/location.ts` and a place in `keys/places.ts`.
 */
export interface Screen {
  /** Which keys are active. */
  place(ui: UiState): Place;
  /** The screen shows no data of the daemon and works without a connection. */
  worksOffline?: true;
  /** The rows of the body from the top. Missing rows are blank. */
  lines(view: View): readonly string[];
  list?(state: ConsoleState): List | null;
  text?(view: View): LongText | null;
  tabs?(view: View): Tabs | null;
  /** Name of the instance that is shown or selected. */
  instance?(state: ConsoleState): string | null;
  /** Names of the instances that actions apply to, if the selected row is a group. */
  targets?(state: ConsoleState): readonly string[];
  /** What the command `describe` shows. */
  describe?(state: ConsoleState): Thing | null;
  /** The `fathomd` command that shows the same, without the program's name. */
  command?(state: ConsoleState): string | null;
  /** Entries of the copy dialog, the most useful ones first. */
  copies?(state: ConsoleState): CopyChoice[];
  /** The complete content as text, if the drawn rows are only a part of it. */
  plain?(state: ConsoleState): string | null;
  /** Data that the screen needs in addition to the instances. */
  needs?(state: ConsoleState): DataNeeds;
  /** Handles a movement itself. @returns false for the common behaviour */
  move?(console: Console, by: Move | 'page.up' | 'page.down', size: Size): boolean;
  /** Runs its own commands, or a common one in its own way. @returns false for the common behaviour */
  run?(console: Console, command: Command, size: Size): boolean;
  /** Removes something on Esc, such as marks. @returns false if there was nothing: Esc then goes back */
  clear?(console: Console): boolean;
}
