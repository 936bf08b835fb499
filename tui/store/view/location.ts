/** The screens with a number, in its order: the header, the keys and the palette are made from this. */
export const TOP_SCREENS = [
  { id: 'overview', key: '1', title: 'Overview', short: 'Over' },
  { id: 'instances', key: '2', title: 'Instances', short: 'Inst' },
  { id: 'queue', key: '3', title: 'Queue', short: 'Queue' },
  { id: 'fleet-logs', key: '4', title: 'Logs', short: 'Logs' },
  { id: 'databases', key: '5', title: 'Databases', short: 'Data' },
  { id: 'events', key: '6', title: 'Events', short: 'Evts' },
  { id: 'servers', key: '7', title: 'Servers', short: 'Serv' },
  { id: 'accounts', key: '8', title: 'Accounts', short: 'Acct' },
  { id: 'host', key: '9', title: 'Host', short: 'Host' },
] as const;

export type TopScreen = (typeof TOP_SCREENS)[number]['id'];
export const INSTANCE_TABS = ['summary', 'logs', 'probes', 'events', 'data'] as const;
export type Tab = (typeof INSTANCE_TABS)[number];

export const QUEUE_TABS = ['recent', 'pending', 'processing', 'failed', 'dead', 'failures'] as const;
export type QueueTab = (typeof QUEUE_TABS)[number];

/** Whose logs are read together. */
export const LOG_CHOICES = ['all', 'marked', 'filtered'] as const;
export type LogChoice = (typeof LOG_CHOICES)[number];

export const EVENT_TABS = ['all', 'fleet', 'audit'] as const;
export type EventTab = (typeof EVENT_TABS)[number];

export const ACCOUNT_TABS = ['users', 'keys', 'sessions'] as const;
export type AccountTab = (typeof ACCOUNT_TABS)[number];

export const HOST_TABS = ['doctor', 'daemon-log'] as const;
export type HostTab = (typeof HOST_TABS)[number];

/** One place of the console that can be looked at, and come back to. */
export type Spot =
  | { screen: Exclude<TopScreen, 'queue' | 'events' | 'fleet-logs' | 'accounts' | 'host'> }
  /** `moment`: the log is shown as it was then. */
  | { screen: 'instance'; name: string; tab: Tab; moment?: string }
  /** `signature`: only the tasks with this error. */
  | { screen: 'queue'; tab: QueueTab; signature?: string }
  | { screen: 'fleet-logs'; choice: LogChoice }
  | { screen: 'task'; id: string }
  | { screen: 'events'; tab: EventTab }
  | { screen: 'accounts'; tab: AccountTab }
  | { screen: 'host'; tab: HostTab }
  | { screen: 'records'; name: string; collection: string; page: number }
  | { screen: 'describe'; thing: Thing };

/** What can be shown as it is, in JSON. */
export type Thing =
  | { kind: 'instance'; name: string }
  | { kind: 'task'; id: string }
  | { kind: 'account'; tab: AccountTab; id: string }
  | { kind: 'event'; key: string; name: string | null }
  | { kind: 'record'; name: string; collection: string; page: number; id: string };

export type ScreenId = Spot['screen'];

/** Esc leads to `from`: what it was opened from. Null for the screens that have a number. */
export type Location = Spot & { from: Location | null };

/** What was visited before and after the present place, nearest last. */
export interface Trail {
  before: readonly Location[];
  after: readonly Location[];
}

export const NO_TRAIL: Trail = { before: [], after: [] };
const KEPT = 50;
/** How far Esc leads back through what was opened from one another. */
const MAX_DEPTH = 8;

export interface HistoryPosition {
  at: Location;
  trail: Trail;
}

/** To another place; to the present one again is no step. */
export function goTo({ at, trail }: HistoryPosition, to: Location): HistoryPosition {
  if (isSameSpot(at, to)) return { at: to, trail };
  return { at: to, trail: { before: [...trail.before, at].slice(-KEPT), after: [] } };
}

/** To what was looked at before, or after going back; null when there is nothing. */
export function stepInHistory(
  { at, trail }: HistoryPosition,
  direction: 'back' | 'forward',
): HistoryPosition | null {
  const [come, go] = direction === 'back' ? [trail.before, trail.after] : [trail.after, trail.before];
  const to = come.at(-1);
  if (to === undefined) return null;
  const [left, added] = [come.slice(0, -1), [...go, at]];
  return direction === 'back'
    ? { at: to, trail: { before: left, after: added } }
    : { at: to, trail: { before: added, after: left } };
}

export function topLocation(screen: TopScreen): Location {
  if (screen === 'queue') return { screen, tab: 'recent', from: null };
  if (screen === 'fleet-logs') return { screen, choice: 'all', from: null };
  if (screen === 'accounts') return { screen, tab: 'users', from: null };
  if (screen === 'host') return { screen, tab: 'doctor', from: null };
  if (screen === 'events') return { screen, tab: 'all', from: null };
  return { screen, from: null };
}

/** A place that is opened from another, to which Esc then leads. */
export function openedFrom(from: Location, spot: Spot): Location {
  return { ...spot, from: depthOf(from) < MAX_DEPTH ? from : topLocationOf(from) };
}

/** The numbered screen to which a place belongs. */
export function topLocationOf(location: Location): Location {
  return location.from === null ? location : topLocationOf(location.from);
}

function depthOf({ from }: Location): number {
  return from === null ? 0 : 1 + depthOf(from);
}

function isSameSpot(a: Location, b: Location): boolean {
  return JSON.stringify({ ...a, from: null }) === JSON.stringify({ ...b, from: null });
}
