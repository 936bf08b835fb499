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

/** Columns and rows of the terminal, or of the body: the part between the header and the two lines at the bottom. */
export interface Size {
  columns: number;
  rows: number;
}

/** Everything that the screens read. */
export interface ConsoleState {
  fleet: FleetState;
  ui: UiState;
  rows: RowSelector;
  servers: ServersState;
}

/** Everything that a screen needs to draw itself. `size` is the size of the body. */
export interface View extends ConsoleState {
  theme: Theme;
  size: Size;
}

/** One console on one daemon, built by `create-console.ts`. */
export interface Console {
  fleet: FleetConnection;
  ui: Observable<UiState>;
  rows: RowSelector;
  themes: Themes;
  /** Decides whether an open dialog accepts input. */
  answers: AnswerGuard;
  readOnly: boolean;
  /** The daemon was started together with this console. Quitting then asks whether to stop it. */
  ownsDaemon: boolean;
  /** URL or socket path of the daemon. */
  address: string;
  /** Start of the header: the name of the server profile, or of the program. */
  title: string;
  servers: Servers;
  /** The session of this console; null on the local socket, which needs no sign-in. */
  session: ServerSession | null;
  /** Connects to another daemon. @throws Error with a sentence, if its saved session cannot be read */
  connectTo(profile: Profile): Promise<void>;
  /** Copies a text to the clipboard. @returns false if there is no clipboard */
  copy(text: string): Promise<boolean>;
  /** Saves a text to a new file of this user. @returns its path @throws Error with a sentence */
  save(name: string, text: string): Promise<string>;
  /** The command that runs `fathomd` here. */
  launcher: string;
  /** Options that connect `fathomd` to the same daemon, with a space before them. */
  targetArguments: string;
  leave(daemon: 'keep' | 'stop'): void;
}

export function stateOf({ fleet, ui, rows, servers }: Console): ConsoleState {
  return { fleet: fleet.store.get(), ui: ui.get(), rows, servers: servers.state.get() };
}

/** The header, the status line and the footer. */
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
