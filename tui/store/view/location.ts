/** The screens in the header, in the order of their number keys. */
export const TOP_SCREENS = [
  { id: 'overview', title: 'Overview', short: 'Over' },
  { id: 'instances', title: 'Instances', short: 'Inst' },
  { id: 'queue', title: 'Queue', short: 'Queue' },
  { id: 'fleet-logs', title: 'Logs', short: 'Logs' },
  { id: 'databases', title: 'Databases', short: 'Data' },
  { id: 'events', title: 'Events', short: 'Evts' },
  { id: 'servers', title: 'Servers', short: 'Serv' },
  { id: 'accounts', title: 'Accounts', short: 'Acct' },
  { id: 'host', title: 'Host', short: 'Host' },
  { id: 'backups', title: 'Backups', short: 'Back' },
] as const;

export type TopScreen = (typeof TOP_SCREENS)[number]['id'];
export const INSTANCE_TABS = ['summary', 'logs', 'probes', 'events', 'data', 'usage', 'backups'] as const;
export type Tab = (typeof INSTANCE_TABS)[number];

export const QUEUE_TABS = ['recent', 'pending', 'processing', 'failed', 'dead', 'failures'] as const;
export type QueueTab = (typeof QUEUE_TABS)[number];

/** The instances whose logs are shown together. */
export const LOG_CHOICES = ['all', 'marked', 'filtered'] as const;
export type LogChoice = (typeof LOG_CHOICES)[number];

export const EVENT_TABS = ['all', 'fleet', 'audit'] as const;
export type EventTab = (typeof EVENT_TABS)[number];

export const ACCOUNT_TABS = ['users', 'keys', 'sessions', 'invitations'] as const;
export type AccountTab = (typeof ACCOUNT_TABS)[number];

export const HOST_TABS = ['doctor', 'daemon-log', 'wakes', 'nodes'] as const;
export type HostTab = (typeof HOST_TABS)[number];

/** A screen with its parameters, such as its tab. */
export type Spot =
  | { screen: Exclude<TopScreen, 'queue' | 'events' | 'fleet-logs' | 'accounts' | 'host'> }
  /** `moment`: the log is shown at this time. */
  | { screen: 'instance'; name: string; tab: Tab; moment?: string }
  /** `signature`: only tasks with this error. */
  | { screen: 'queue'; tab: QueueTab; signature?: string }
  | { screen: 'fleet-logs'; choice: LogChoice }
  | { screen: 'task'; id: string }
  | { screen: 'events'; tab: EventTab }
  | { screen: 'accounts'; tab: AccountTab }
  | { screen: 'host'; tab: HostTab }
  | { screen: 'deleted-databases' }
  | { screen: 'records'; name: string; collection: string; page: number }
  | { screen: 'describe'; thing: Thing };

/** An item that can be shown as JSON. */
export type Thing =
  | { kind: 'instance'; name: string }
  | { kind: 'deleted-database'; name: string }
  | { kind: 'task'; id: string }
  | { kind: 'account'; tab: AccountTab; id: string }
  | { kind: 'event'; key: string; name: string | null }
  | { kind: 'record'; name: string; collection: string; page: number; id: string };

export type ScreenId = Spot['screen'];

/** A spot, and the location from which it was opened: Esc goes back there. `from` is null for the screens in the header. */
export type Location = Spot & { from: Location | null };

/** The locations before and after the current one in the history, nearest last. */
export interface Trail {
  before: readonly Location[];
  after: readonly Location[];
}

export const NO_TRAIL: Trail = { before: [], after: [] };
const MAX_HISTORY = 50;
/** Maximum number of steps that Esc goes back. */
const MAX_DEPTH = 8;

export interface HistoryPosition {
  at: Location;
  trail: Trail;
}

/** Goes to a location. Going to the current spot again adds no step to the history. */
export function goTo({ at, trail }: HistoryPosition, to: Location): HistoryPosition {
  if (isSameSpot(at, to)) return { at: to, trail };
  return { at: to, trail: { before: [...trail.before, at].slice(-MAX_HISTORY), after: [] } };
}

/** Goes one step back or forward in the history; null if there is none. */
export function stepInHistory(
  { at, trail }: HistoryPosition,
  direction: 'back' | 'forward',
): HistoryPosition | null {
  const { before, after } = trail;
  const to = (direction === 'back' ? before : after).at(-1);
  if (to === undefined) return null;
  return direction === 'back'
    ? { at: to, trail: { before: before.slice(0, -1), after: [...after, at] } }
    : { at: to, trail: { before: [...before, at], after: after.slice(0, -1) } };
}

export function topLocation(screen: TopScreen): Location {
  if (screen === 'queue') return { screen, tab: 'recent', from: null };
  if (screen === 'fleet-logs') return { screen, choice: 'all', from: null };
  if (screen === 'accounts') return { screen, tab: 'users', from: null };
  if (screen === 'host') return { screen, tab: 'doctor', from: null };
  if (screen === 'events') return { screen, tab: 'all', from: null };
  return { screen, from: null };
}

/** The location of a spot that was opened from `from`. */
export function openedFrom(from: Location, spot: Spot): Location {
  return { ...spot, from: depthOf(from) < MAX_DEPTH ? from : topLocationOf(from) };
}

/** The screen in the header from which a location was opened. */
export function topLocationOf(location: Location): Location {
  return location.from === null ? location : topLocationOf(location.from);
}

function depthOf({ from }: Location): number {
  return from === null ? 0 : 1 + depthOf(from);
}

function isSameSpot(a: Location, b: Location): boolean {
  return JSON.stringify({ ...a, from: null }) === JSON.stringify({ ...b, from: null });
}
