import type { Place } from '../keys/places.ts';
import type { FleetState } from '../store/fleet/fleet-state.ts';
import type { ScreenId } from '../store/view/location.ts';
import type { UiState } from '../store/view/ui-state.ts';
import { accountsScreen } from './accounts/accounts.ts';
import { backupsScreen } from './backups/backups.ts';
import { databasesScreen } from './databases/databases.ts';
import { deletedDatabasesScreen } from './databases/deleted-databases.ts';
import { recordsScreen } from './databases/records.ts';
import { eventsScreen } from './events/events.ts';
import { describeScreen } from './frame/describe.ts';
import { hostScreen } from './host/host.ts';
import { serversScreen } from './host/servers.ts';
import { instanceScreen } from './instance/instance.ts';
import { instancesScreen } from './instances/instances.ts';
import { fleetLogsScreen } from './logs/fleet-logs.ts';
import { overviewScreen } from './overview/overview.ts';
import { queueScreen } from './queue/queue.ts';
import { taskScreen } from './queue/task.ts';
import type { Screen } from './screen.ts';

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
  'deleted-databases': deletedDatabasesScreen,
  records: recordsScreen,
  events: eventsScreen,
  backups: backupsScreen,
  describe: describeScreen,
};

export function screenOf({ at }: Pick<UiState, 'at'>): Screen {
  return SCREENS[at.screen];
}

/** The place whose keys are active. */
export function placeOf(ui: UiState, fleet: FleetState): Place {
  if (ui.dialog?.kind === 'confirm') return 'confirm';
  if (ui.dialog?.kind === 'quit') return 'quit';
  if (ui.dialog?.kind === 'copy') return 'copy';
  if (ui.dialog?.kind === 'form') return 'form';
  return placeBelow(ui, fleet);
}

/** The place of the screen below a dialog. */
export function placeBelow(ui: UiState, fleet: FleetState): Place {
  return isWaiting(ui, fleet) ? 'waiting' : screenOf(ui).place(ui);
}

/** Whether the screen has no data to show yet. */
export function isWaiting(ui: UiState, { snapshot_at: at }: FleetState): boolean {
  return at === null && screenOf(ui).worksOffline !== true;
}
