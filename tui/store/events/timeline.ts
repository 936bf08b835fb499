import type { AuditEntry } from '../../../shared/api/audit.ts';
import type { JournalEntry } from '../../../shared/api/events.ts';
import type { InstancePhase, WakeCause } from '../../../shared/instance.ts';
import { type FleetState, instanceOfUser } from '../fleet/fleet-state.ts';
import { combineOlderStatus, type OlderStatus, olderStatus } from '../pages/latest.ts';
import { pageOf } from '../pages/pages.ts';
import { exitText, phaseText } from '../text/reason.ts';
import { sanitise } from '../text/sanitise.ts';
import { wordFilter } from '../view/filter.ts';
import type { EventTab } from '../view/location.ts';

/** An event of an instance, or an entry of the audit log. */
export interface TimelineEntry {
  key: string;
  at: string;
  who: string;
  what: string;
  on: string;
  outcome: '' | AuditEntry['outcome'];
  detail: string;
  /** The original entry. */
  source: AuditEntry | JournalEntry;
}

export interface TimelineQuery {
  tab: EventTab;
  /** Only entries of this instance; null for all. */
  name: string | null;
  filter: string;
}

const cache = new WeakMap<FleetState, Map<string, readonly TimelineEntry[]>>();

/** Newest first. Cached for each state of the fleet, because several parts of a screen use it. */
export function timelineOf(fleet: FleetState, query: TimelineQuery): readonly TimelineEntry[] {
  const key = JSON.stringify(query);
  const made = cache.get(fleet) ?? new Map<string, readonly TimelineEntry[]>();
  cache.set(fleet, made);
  const entries = made.get(key) ?? makeTimeline(fleet, query);
  made.set(key, entries);
  return entries;
}

function makeTimeline(fleet: FleetState, { tab, name, filter }: TimelineQuery): TimelineEntry[] {
  const events = tab === 'audit' ? [] : journalOf(fleet, name).map(entryOfJournal);
  const audited = tab === 'fleet' ? [] : auditOf(fleet, name).map((entry) => entryOfAudit(entry, fleet));
  const matches = wordFilter(filter);
  const from = horizonOf(fleet, { tab, name });
  return [...events, ...audited]
    .filter((entry) => name === null || entry.on === name)
    .filter(({ at }) => at >= from)
    .filter((entry) => matches === null || matches(textOf(entry)))
    .toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.key < b.key ? 1 : -1));
}

function textOf({ who, what, on, outcome, detail }: TimelineEntry): string {
  return [who, what, on, outcome, detail].join('\n');
}

/** The journal that was loaded from the daemon, and the events from the stream since then. */
function journalOf(fleet: FleetState, name: string | null): readonly JournalEntry[] {
  const before = pageOf(fleet, 'journal', timelineKey(name))?.value?.items ?? [];
  const entries = new Map([...before, ...fleet.journal].map((entry) => [keyOf(entry), entry]));
  return [...entries.values()];
}

function auditOf(fleet: FleetState, name: string | null): readonly AuditEntry[] {
  const before = pageOf(fleet, 'audit', timelineKey(name))?.value?.items ?? [];
  const entries = new Map([...before, ...(fleet.audit ?? [])].map((entry) => [entry.seq, entry]));
  return [...entries.values()];
}

/** Key of the two pages of a timeline. */
export function timelineKey(name: string | null): string {
  return name ?? 'all';
}

/**
 * The time of the oldest entry that can be shown. If one of the two sources is loaded less far back, older entries of the
 * other are left out: otherwise it would look as if nothing had happened in the first source.
 */
function horizonOf(fleet: FleetState, { tab, name }: Pick<TimelineQuery, 'tab' | 'name'>): string {
  if (tab !== 'all') return '';
  const ends = (['journal', 'audit'] as const).map((slot) => {
    const page = pageOf(fleet, slot, timelineKey(name))?.value ?? null;
    if (page === null || page.complete) return '';
    return page.items.reduce((oldest, { at }) => (at < oldest ? at : oldest), page.items[0]?.at ?? '');
  });
  return ends.toSorted().at(-1) ?? '';
}

/** Whether there are older entries. */
export function timelineOlderStatus(
  fleet: FleetState,
  { tab, name }: Pick<TimelineQuery, 'tab' | 'name'>,
  limit: number,
): OlderStatus {
  const [journal, audit] = (['journal', 'audit'] as const).map((slot) => {
    const page = pageOf(fleet, slot, timelineKey(name));
    return olderStatus(page ?? { value: null }, limit);
  }) as [OlderStatus, OlderStatus];
  if (tab === 'fleet') return journal;
  return tab === 'audit' ? audit : combineOlderStatus(journal, audit);
}

/** Names are never reused, so an instance is added and removed only once. */
function keyOf({ kind, name, at, to }: JournalEntry): string {
  return kind === 'phase' || kind === 'wake' || kind === 'moved' ? `${name} ${at} ${to}` : `${name} ${kind}`;
}

const RECOVERING: ReadonlySet<InstancePhase> = new Set(['starting', 'running']);

const CAUSES: Readonly<Record<WakeCause, string>> = {
  connection: 'a request',
  sign_in: 'a sign-in',
  task: 'a task',
  schedule: 'a schedule',
  backup: 'a backup',
  command: 'a command',
};

/** `a sign-in` */
export function wakeCauseText(by: WakeCause): string {
  return CAUSES[by];
}

function entryOfJournal(entry: JournalEntry): TimelineEntry {
  const { kind, by, from, to, reason, last_exit: exit, at, name } = entry;
  const cause = by === undefined ? null : `woken by ${wakeCauseText(by)}`;
  // The reason is shown with the phase that the instance entered, not again with each step of its recovery.
  const parts = to !== null && RECOVERING.has(to) ? [] : [exitText(exit), reason?.message, cause];
  return {
    key: keyOf(entry),
    at,
    who: 'fathomd',
    what:
      kind === 'phase'
        ? `${from === null ? '' : phaseText(from)} → ${to === null ? '' : phaseText(to)}`
        : kind,
    on: name,
    outcome: '',
    detail: parts.filter((part) => typeof part === 'string' && part !== '').join(' · '),
    source: entry,
  };
}

/** The JSON detail of an audit entry as text: `status 502 · type report.weekly`. A successful status is left out. */
function detailText(detail: string): string {
  const fields: unknown = parseJson(detail);
  if (typeof fields !== 'object' || fields === null) return detail;
  return Object.entries(fields)
    .filter(([key, value]) => key !== 'status' || Number(value) >= 400)
    .map(([key, value]) => sanitise(`${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`))
    .join(' · ');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function entryOfAudit(entry: AuditEntry, fleet: FleetState): TimelineEntry {
  const { seq, at, actor, actor_kind: kind, action, target, outcome, detail, request_id, address } = entry;
  return {
    key: `audit ${seq}`,
    at,
    who: actor === '' ? kind : (instanceOfUser(fleet.instances, actor)?.email ?? actor),
    what: action,
    on: target,
    outcome,
    detail: [detailText(detail), address, `request ${request_id}`].filter((part) => part !== '').join(' · '),
    source: entry,
  };
}
