import type { FleetConnection } from '../store/fleet-connection.ts';
import { Observable } from '../store/observable.ts';
import { createRowSelector } from '../store/rows.ts';
import { initialUi } from '../store/ui-state.ts';
import { NOTHING } from '../store/wants.ts';
import { createThemes, type ThemeName } from '../theme.ts';
import { type Console, lookOf } from './console.ts';
import { screenOf } from './screens.ts';

export interface ConsoleOptions extends Pick<Console, 'readOnly' | 'ownsDaemon' | 'address' | 'leave'> {
  fleet: FleetConnection;
  theme: ThemeName;
}

/** The console without a terminal. What a screen wants is brought as soon as it is looked at. */
export function createConsole({ fleet, theme, ...options }: ConsoleOptions): Console {
  const console: Console = {
    ...options,
    fleet,
    ui: new Observable(initialUi()),
    rows: createRowSelector(),
    themes: createThemes(theme),
  };
  const bring = () => fleet.want(screenOf(console.ui.get()).wants?.(lookOf(console)) ?? NOTHING);
  console.ui.subscribe(bring);
  fleet.store.subscribe(bring);
  return console;
}
