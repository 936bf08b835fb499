import type { ServerSession } from '../servers/server-session.ts';
import type { Servers } from '../servers/servers.ts';
import type { FleetConnection } from '../store/fleet/fleet-connection.ts';
import type { FleetState } from '../store/fleet/fleet-state.ts';
import type { Observable } from '../store/observable.ts';
import type { Profile, ServersState } from '../store/servers/profile.ts';
import { sanitise } from '../store/text/sanitise.ts';
import type { RowSelector } from '../store/view/rows.ts';
import type { UiState } from '../store/view/ui-state.ts';
import type { Theme, Themes } from '../theme.ts';
import type { AnswerGuard } from './input/answer-guard.ts';

/** Columns and rows: of the terminal, or of the part between the header and the two lines at the bottom. */
export interface Size {
  columns: number;
  rows: number;
}

/** What is known, and what of it is looked at. */
export interface ConsoleState {
  fleet: FleetState;
  ui: UiState;
  rows: RowSelector;
  servers: ServersState;
}

/** All that a screen draws from. */
export interface View extends ConsoleState {
  theme: Theme;
  size: Size;
}

/** What the screens work with; built once by `create-console.ts`. */
export interface Console {
  fleet: FleetConnection;
  ui: Observable<UiState>;
  rows: RowSelector;
  themes: Themes;
  /** Which input a dialog takes. */
  answers: AnswerGuard;
  readOnly: boolean;
  /** True when this console was opened by whoever also started the daemon: `q` then asks about it. */
  ownsDaemon: boolean;
  /** Where the daemon is looked for, in words. */
  address: string;
  /** The header begins with it: the name of the server, or else of the program. */
  title: string;
  servers: Servers;
  /** Who this console is to the daemon; null on its local socket, where nobody signs in. */
  session: ServerSession | null;
  /** Leaves this daemon for another. @throws Error with a sentence, when what is kept of it cannot be read */
  connectTo(profile: Profile): Promise<void>;
  /** Hands a text to the clipboard; false where there is none. */
  copy(text: string): Promise<boolean>;
  /** Keeps a text in a new file of this user; the answer is its path. @throws Error with a sentence */
  save(name: string, text: string): Promise<string>;
  /** What `fathomd` is to be given so that it asks the same daemon. */
  targetArguments: string;
  leave(daemon: 'keep' | 'stop'): void;
}

export function stateOf({ fleet, ui, rows, servers }: Console): ConsoleState {
  return { fleet: fleet.store.get(), ui: ui.get(), rows, servers: servers.state.get() };
}

/** Header, status line and key hints. */
const CHROME_ROWS = 3;
export const SMALLEST: Size = { columns: 60, rows: 12 };

export function isTooSmall({ columns, rows }: Size): boolean {
  return columns < SMALLEST.columns || rows < SMALLEST.rows;
}

export function bodySize({ columns, rows }: Size): Size {
  return { columns, rows: Math.max(0, rows - CHROME_ROWS) };
}

/** Shows a sentence in the status line, as the answer to a key. The next key removes it. */
export function showNotice({ ui, fleet }: Console, text: string): void {
  const { now } = fleet.store.get();
  ui.update((state) => ({ ...state, notice: { text: sanitise(text), at: now } }));
}

/** Draws everything again: another program has written to the terminal. */
export function redraw({ ui }: Console): void {
  ui.update((state) => ({ ...state, redraws: state.redraws + 1 }));
}
