import type { Command } from '../keys/commands.ts';
import type { Place } from '../keys/places.ts';
import type { CopyChoice } from '../store/copy/copy-choice.ts';
import type { FleetState } from '../store/fleet/fleet-state.ts';
import type { OlderStatus } from '../store/pages/latest.ts';
import type { DataNeeds } from '../store/pages/pages.ts';
import type { ServersState } from '../store/servers/profile.ts';
import type { Move } from '../store/view/cursor.ts';
import type { Thing } from '../store/view/location.ts';
import type { RowSelector } from '../store/view/rows.ts';
import type { UiState } from '../store/view/ui-state.ts';
import type { Theme } from '../theme.ts';
import type { TabStrip } from '../widgets/tabs.ts';
import type { Console, ConsoleState, Size, View } from './console.ts';

/** Something with a cursor; the frame moves it. */
export interface List {
  /** Its cursor and filter are kept under this name. */
  id: string;
  keys: readonly string[];
  /** Row of the body in which its first one in view stands. */
  from(size: Size): number;
  /** Rows of it in view. */
  room(size: Size): number;
  /** What the filter looks at, in words; without it there is none. */
  filterHint?: string;
  /** It shows the latest of many: what is behind the last one. */
  older?: OlderItems;
}

/** Read when one moves past the end. */
export interface OlderItems {
  /** How far back is kept under this name. */
  id: string;
  behind: OlderStatus;
  /** Why they cannot be read. */
  error: string | null;
}

/** Tabs on a row of the body. */
export interface Tabs {
  row: number;
  strip: TabStrip;
  /** Shows the one with this index. */
  turn(console: Console, index: number): void;
}

/** Something longer than the screen, without a cursor; the frame scrolls it. */
export interface LongText {
  id: string;
  length: number;
  room: number;
}

/**
 * One screen: pure functions of what is known, and what its own keys do. It is one file and an entry in `screens.ts`; a
 * numbered one also stands in `store/location.ts`, and its keys in `keys/`.
 */
export interface Screen {
  /** Which keys are in force. */
  place(ui: UiState): Place;
  /** It shows nothing of the daemon, and so is there without one. */
  alone?: true;
  /** The body from its top; rows that are missing are blank. */
  lines(view: View): readonly string[];
  list?(state: ConsoleState): List | null;
  text?(view: View): LongText | null;
  tabs?(view: View): Tabs | null;
  /** The instance that it is about, or that the cursor is on. */
  instance?(state: ConsoleState): string | null;
  /** What actions hit, where the cursor is on several. */
  targets?(state: ConsoleState): readonly string[];
  /** What `d` shows. */
  describe?(state: ConsoleState): Thing | null;
  /** The command of `fathomd` that tells the same, without the program's name. */
  command?(state: ConsoleState): string | null;
  /** What can be copied beside the command; what is asked for most comes first. */
  copies?(state: ConsoleState): CopyChoice[];
  /** All of it as text, where that is more than what is drawn. */
  plain?(state: ConsoleState): string | null;
  /** What it shows beyond the fleet itself, for as long as it is looked at. */
  needs?(state: ConsoleState): DataNeeds;
  /** A movement that the frame does not know how to make; false leaves it to the frame. */
  move?(console: Console, by: Move | 'page.up' | 'page.down', size: Size): boolean;
  /** What its own keys do, or an own meaning of a common one; false leaves it to the frame. */
  run?(console: Console, command: Command, size: Size): boolean;
  /** Esc takes something away before it leaves the screen: true when it did. */
  clear?(console: Console): boolean;
}
