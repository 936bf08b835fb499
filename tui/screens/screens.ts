import type { Place } from '../keys/places.ts';
import type { FleetState } from '../store/fleet-state.ts';
import type { ScreenId } from '../store/location.ts';
import type { UiState } from '../store/ui-state.ts';
import { accountsScreen } from './accounts.ts';
import { databasesScreen } from './databases.ts';
import { describeScreen } from './describe.ts';
import { eventsScreen } from './events.ts';
import { fleetLogsScreen } from './fleet-logs.ts';
import { hostScreen } from './host.ts';
import { instanceScreen } from './instance.ts';
import { instancesScreen } from './instances.ts';
import { overviewScreen } from './overview.ts';
import { queueScreen } from './queue.ts';
import { recordsScreen } from './records.ts';
import type { Screen } from './screen.ts';
import { serversScreen } from './servers.ts';
import { taskScreen } from './task.ts';

const SCREENS: Readonly<Record<ScreenId, Screen>> = {
  'fleet-logs': fleetLogsScreen,
  servers: serversScreen,
  accounts: accountsScreen,
  host: hostScreen,
  overview: overviewScreen,
  instances: instancesScreen,
  instance: instanceScreen,
  queue: queueScreen,
  task: taskScreen,
  databases: databasesScreen,
  records: recordsScreen,
  events: eventsScreen,
  describe: describeScreen,
};

export function screenOf({ at }: Pick<UiState, 'at'>): Screen {
  return SCREENS[at.screen];
}

/** Which part of the key table is in force. */
export function placeOf(ui: UiState, fleet: FleetState): Place {
  if (ui.dialog?.kind === 'confirm') return 'confirm';
  if (ui.dialog?.kind === 'quit') return 'quit';
  if (ui.dialog?.kind === 'copy') return 'copy';
  if (ui.dialog?.kind === 'form') return 'form';
  return placeBelow(ui, fleet);
}

/** The same, whatever dialog lies above. */
export function placeBelow(ui: UiState, fleet: FleetState): Place {
  return waits(ui, fleet) ? 'waiting' : screenOf(ui).place(ui);
}

/** There is nothing to show yet. */
export function waits(ui: UiState, { snapshot_at: at }: FleetState): boolean {
  return at === null && screenOf(ui).alone !== true;
}
