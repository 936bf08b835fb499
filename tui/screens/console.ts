import type { Place } from '../keymap.ts';
import type { FleetConnection } from '../store/fleet-connection.ts';
import type { FleetState } from '../store/fleet-state.ts';
import type { Observable } from '../store/observable.ts';
import type { RowSelector } from '../store/rows.ts';
import type { UiState } from '../store/ui-state.ts';
import type { Theme, Themes } from '../theme.ts';

/** What the screens work with; built once by `main.tsx`. */
export interface Console {
  fleet: FleetConnection;
  ui: Observable<UiState>;
  rows: RowSelector;
  themes: Themes;
  readOnly: boolean;
  /** True when this console was opened by whoever also started the daemon: `q` then asks about it. */
  ownsDaemon: boolean;
  /** Where the daemon is looked for, in words. */
  address: string;
  leave(daemon: 'keep' | 'stop'): void;
}

/** Columns and rows: of the terminal, or of the part between the header and the two lines at the bottom. */
export interface Size {
  columns: number;
  rows: number;
}

/** All that a screen draws from. */
export interface View {
  fleet: FleetState;
  ui: UiState;
  theme: Theme;
  size: Size;
}

/** Header, status line and key hints. */
const CHROME_ROWS = 3;
export const SMALLEST: Size = { columns: 60, rows: 12 };

export function bodySize({ columns, rows }: Size): Size {
  return { columns, rows: Math.max(0, rows - CHROME_ROWS) };
}

/** Which part of the key table is in force. */
export function placeOf(ui: UiState, fleet: FleetState): Place {
  if (ui.dialog?.kind === 'confirm') return 'confirm';
  if (ui.dialog?.kind === 'quit') return 'quit';
  if (fleet.snapshot_at === null) return 'waiting';
  if (ui.screen !== 'instance') return ui.screen;
  return ui.tab;
}
