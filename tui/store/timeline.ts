import type { AuditEntry } from '../../shared/audit.ts';
import type { InstancePhase } from '../../shared/instance.ts';
import type { JournalEntry } from '../../shared/journal.ts';
import { wordFilter } from './filter.ts';
import type { FleetState } from './fleet-state.ts';
import type { EventTab } from './location.ts';
import { instanceOf } from './owners.ts';
import { pageOf } from './pages.ts';
import { exitWords, phaseWord } from './why.ts';

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

const remembered = new WeakMap<FleetState, Map<string, readonly TimelineEntry[]>>();

/** The latest first; made once for each state of the fleet, as several parts of a screen ask for it. */
export function timelineOf(fleet: FleetState, query: TimelineQuery): readonly TimelineEntry[] {
  const key = JSON.stringify(query);
  const made = remembered.get(fleet) ?? new Map<string, readonly TimelineEntry[]>();
  remembered.set(fleet, made);
  const entries = made.get(key) ?? makeTimeline(fleet, query);
  made.set(key, entries);
  return entries;
}

function makeTimeline(fleet: FleetState, { tab, name, filter }: TimelineQuery): TimelineEntry[] {
  const happened = tab === 'audit' ? [] : journalOf(fleet, name).map(ofJournal);
  const done = tab === 'fleet' ? [] : (fleet.audit ?? []).map((entry) => ofAudit(entry, fleet));
  const lets = wordFilter(filter);
  return [...happened, ...done]
    .filter((entry) => name === null || entry.on === name)
    .filter((entry) => lets === null || lets(textOf(entry)))
    .toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.key < b.key ? 1 : -1));
}

function textOf({ who, what, on, outcome, detail }: TimelineEntry): string {
  return [who, what, on, outcome, detail].join('\n');
}

/** What the daemon remembers from before, and what the stream has told since. */
function journalOf(fleet: FleetState, name: string | null): readonly JournalEntry[] {
  const before = pageOf(fleet, 'journal', journalKey(name))?.value ?? [];
  const entries = new Map([...before, ...fleet.journal].map((entry) => [keyOf(entry), entry]));
  return [...entries.values()];
}

export function journalKey(name: string | null): string {
  return name ?? 'all';
}

/** Names are never used again, so an addition and a removal happen once. */
function keyOf({ kind, name, at, to }: JournalEntry): string {
  return kind === 'phase' ? `${name} ${at} ${to}` : `${name} ${kind}`;
}

const RETURNING: ReadonlySet<InstancePhase> = new Set(['starting', 'running']);

function ofJournal(entry: JournalEntry): TimelineEntry {
  const { kind, from, to, reason, last_exit: exit, at, name } = entry;
  // Why it left a phase is told once, and not again with every step of its return.
  const told = to !== null && RETURNING.has(to) ? [] : [exitWords(exit), reason?.message];
  const words = told.filter((part) => typeof part === 'string' && part !== '');
  return {
    key: keyOf(entry),
    at,
    who: 'fathomd',
    what:
      kind === 'phase'
        ? `${from === null ? '' : phaseWord(from)} → ${to === null ? '' : phaseWord(to)}`
        : kind,
    on: name,
    outcome: '',
    detail: words.join(' · '),
    source: entry,
  };
}

function ofAudit(entry: AuditEntry, fleet: FleetState): TimelineEntry {
  const { seq, at, actor, actor_kind: kind, action, target, outcome, detail, request_id, address } = entry;
  return {
    key: `audit ${seq}`,
    at,
    who: actor === '' ? kind : (instanceOf(fleet.instances, actor)?.email ?? actor),
    what: action,
    on: target,
    outcome,
    detail: [detail, address, `request ${request_id}`].filter((part) => part !== '').join(' · '),
    source: entry,
  };
}
