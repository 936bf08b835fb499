import type { AuditEntry } from '../../../shared/api/audit.ts';
import type { JournalEntry } from '../../../shared/api/events.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { type FleetState, instanceOfUser } from '../fleet/fleet-state.ts';
import { behind, combineOlderStatus, type OlderStatus } from '../pages/latest.ts';
import { pageOf } from '../pages/pages.ts';
import { exitText, phaseText } from '../text/reason.ts';
import { sanitise } from '../text/sanitise.ts';
import { wordFilter } from '../view/filter.ts';
import type { EventTab } from '../view/location.ts';

/** Something that happened, or that somebody did: who, what, on what, how it went. */
export interface TimelineEntry {
  key: string;
  at: string;
  who: string;
  what: string;
  on: string;
  outcome: '' | AuditEntry['outcome'];
  detail: string;
  /** As the daemon told it. */
  source: AuditEntry | JournalEntry;
}

export interface TimelineQuery {
  tab: EventTab;
  /** Only of this instance. */
  name: string | null;
  filter: string;
}

const cache = new WeakMap<FleetState, Map<string, readonly TimelineEntry[]>>();

/** The latest first; made once for each state of the fleet, as several parts of a screen ask for it. */
export function timelineOf(fleet: FleetState, query: TimelineQuery): readonly TimelineEntry[] {
  const key = JSON.stringify(query);
  const made = cache.get(fleet) ?? new Map<string, readonly TimelineEntry[]>();
  cache.set(fleet, made);
  const entries = made.get(key) ?? makeTimeline(fleet, query);
  made.set(key, entries);
  return entries;
}

function makeTimeline(fleet: FleetState, { tab, name, filter }: TimelineQuery): TimelineEntry[] {
  const happened = tab === 'audit' ? [] : journalOf(fleet, name).map(ofJournal);
  const done = tab === 'fleet' ? [] : auditOf(fleet, name).map((entry) => ofAudit(entry, fleet));
  const matches = wordFilter(filter);
  const from = horizonOf(fleet, { tab, name });
  return [...happened, ...done]
    .filter((entry) => name === null || entry.on === name)
    .filter(({ at }) => at >= from)
    .filter((entry) => matches === null || matches(textOf(entry)))
    .toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.key < b.key ? 1 : -1));
}

function textOf({ who, what, on, outcome, detail }: TimelineEntry): string {
  return [who, what, on, outcome, detail].join('\n');
}

/** What the daemon remembers from before, and what the stream has told since. */
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

/** Of both pages that it is made from. */
export function timelineKey(name: string | null): string {
  return name ?? 'all';
}

/**
 * Where one of two sources is not read back as far as the other, the time before would look as if nothing of its kind
 * had happened: it is left out until that is read as well.
 */
function horizonOf(fleet: FleetState, { tab, name }: Pick<TimelineQuery, 'tab' | 'name'>): string {
  if (tab !== 'all') return '';
  const ends = (['journal', 'audit'] as const).map((slot) => {
    const page = pageOf(fleet, slot, timelineKey(name))?.value ?? null;
    if (page === null || page.all) return '';
    return page.items.reduce((oldest, { at }) => (at < oldest ? at : oldest), page.items[0]?.at ?? '');
  });
  return ends.toSorted().at(-1) ?? '';
}

/** Whether there is more behind the last one. */
export function timelineOlderStatus(
  fleet: FleetState,
  { tab, name }: Pick<TimelineQuery, 'tab' | 'name'>,
  asked: number,
): OlderStatus {
  const [journal, audit] = (['journal', 'audit'] as const).map((slot) => {
    const page = pageOf(fleet, slot, timelineKey(name));
    return behind(page ?? { key: '', value: null, error: null }, asked);
  }) as [OlderStatus, OlderStatus];
  if (tab === 'fleet') return journal;
  return tab === 'audit' ? audit : combineOlderStatus(journal, audit);
}

/** Names are never used again, so an addition and a removal happen once. */
function keyOf({ kind, name, at, to }: JournalEntry): string {
  return kind === 'phase' || kind === 'moved' ? `${name} ${at} ${to}` : `${name} ${kind}`;
}

const RETURNING: ReadonlySet<InstancePhase> = new Set(['starting', 'running']);

function ofJournal(entry: JournalEntry): TimelineEntry {
  const { kind, from, to, reason, last_exit: exit, at, name } = entry;
  // Why it left a phase is told once, and not again with every step of its return.
  const told = to !== null && RETURNING.has(to) ? [] : [exitText(exit), reason?.message];
  const words = told.filter((part) => typeof part === 'string' && part !== '');
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
    detail: words.join(' · '),
    source: entry,
  };
}

/** What the daemon wrote down as JSON, in words: `502 · type report.weekly`. That it worked is told by the outcome. */
function detailText(detail: string): string {
  const told: unknown = parseJson(detail);
  if (typeof told !== 'object' || told === null) return detail;
  return Object.entries(told)
    .filter(([key, value]) => key !== 'status' || Number(value) >= 400)
    .map(([key, value]) => sanitise(`${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`))
    .join(' · ');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Whatever else it is, is shown as it is.
    return null;
  }
}

function ofAudit(entry: AuditEntry, fleet: FleetState): TimelineEntry {
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
