import { COPY_KEYS } from '../../keys/bindings.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { type TimelineEntry, timelineKey, timelineOlderStatus } from '../../store/events/timeline.ts';
import type { FleetState } from '../../store/fleet/fleet-state.ts';
import { readLatest } from '../../store/pages/latest.ts';
import { type DataNeeds, pageOf } from '../../store/pages/pages.ts';
import { stamp } from '../../store/text/format.ts';
import type { Cursor } from '../../store/view/cursor.ts';
import type { EventTab } from '../../store/view/location.ts';
import { limitOf } from '../../store/view/ui-state.ts';
import type { Token } from '../../theme.ts';
import type { Span } from '../../widgets/line.ts';
import { type Column, drawTable } from '../../widgets/table.ts';
import type { ConsoleState, View } from '../console.ts';
import { loadError } from '../frame/hints.ts';
import { withDetail } from '../frame/list-detail.ts';
import type { OlderItems } from '../screen.ts';

/** The data of a timeline: of one instance, or of all if `name` is null. */
export function timelineNeeds({ ui }: Pick<ConsoleState, 'ui'>, name: string | null): DataNeeds {
  const limit = limitOf(ui, timelineLimitId(name));
  const key = timelineKey(name);
  const version = String(limit);
  return {
    topics: ['audit'],
    pages: [
      {
        slot: 'journal',
        key,
        version,
        async load(to) {
          const { items } = await to.events.list({
            ...(name === null ? {} : { name }),
            limit: Math.min(limit, MAX_EVENTS),
          });
          return { items, limit, complete: items.length < limit };
        },
      },
      {
        slot: 'audit',
        key,
        version,
        load: (to) =>
          readLatest(
            limit,
            ({ seq }) => seq,
            (page) => to.audit.list({ ...page, ...(name === null ? {} : { target: name }) }),
          ),
      },
    ],
  };
}

/** The number of entries in the daemon's journal. */
const MAX_EVENTS = 5_000;

/** Name of the limit that all timelines of the same instance share. */
export function timelineLimitId(name: string | null): string {
  return `timeline:${name ?? ''}`;
}

/** The state of the entries that are older than the loaded ones. */
export function olderItems(
  { fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>,
  tab: EventTab,
  name: string | null,
): OlderItems {
  const id = timelineLimitId(name);
  const error = timelineError(fleet, tab, name);
  return { id, error, status: timelineOlderStatus(fleet, { tab, name }, limitOf(ui, id)) };
}

/** Why the timeline is incomplete; null if it is not. */
export function timelineError(fleet: FleetState, tab: EventTab, name: string | null): string | null {
  const key = timelineKey(name);
  const journal = tab === 'audit' ? null : pageOf(fleet, 'journal', key)?.error;
  const audit = tab === 'fleet' ? null : (fleet.refusals['audit'] ?? pageOf(fleet, 'audit', key)?.error);
  return audit ?? journal ?? null;
}

export function eventCopies(entry: TimelineEntry | undefined): CopyChoice[] {
  if (entry === undefined) return [];
  const { at, who, what, on, outcome, detail, source } = entry;
  return copyChoices(
    [COPY_KEYS.detail, 'the detail', detail],
    [COPY_KEYS.target, 'the target', on],
    [COPY_KEYS.actor, 'the actor', who],
    [COPY_KEYS.event, 'the event', rowText([at, what, on, outcome, who, detail])],
    [COPY_KEYS.eventJson, 'the event as JSON', JSON.stringify(source, null, 2)],
  );
}

const TONES: Readonly<Record<TimelineEntry['outcome'], Token>> = {
  '': 'plain',
  ok: 'good',
  refused: 'warn',
  failed: 'bad',
};

/** Times of other days are longer, and the oldest entry is the last one. */
function timeWidth(entries: readonly TimelineEntry[], now: number): number {
  const oldest = entries.at(-1);
  return oldest === undefined ? 8 : stamp(oldest.at, now).length;
}

/** Heading, rows and details of the selected entry. `named`: with a column for the name of the instance. */
export function timelineLines(
  view: View,
  entries: readonly TimelineEntry[],
  {
    cursor,
    index,
    room,
    named,
    empty,
    problem = null,
  }: { cursor: Cursor; index: number; room: number; named: boolean; empty: string; problem?: string | null },
): string[] {
  const { fleet, theme, size } = view;
  const wide = size.columns >= 120;
  const names = size.columns >= 150 ? 42 : wide ? 30 : 22;
  const on: Column<TimelineEntry> = { title: 'ON', width: names, text: (entry) => entry.on };
  const columns: Column<TimelineEntry>[] = [
    { title: 'TIME', width: timeWidth(entries, fleet.now), text: ({ at }) => stamp(at, fleet.now) },
    { title: 'WHAT', width: wide ? 24 : named ? 18 : 22, text: ({ what }) => what },
    ...(named ? [on] : []),
    { title: 'OUTCOME', width: 7, text: ({ outcome }) => outcome, tone: ({ outcome }) => TONES[outcome] },
    { title: 'WHO', width: wide ? 24 : 10, text: ({ who }) => who },
    { title: 'DETAIL', width: 0, text: ({ detail }) => detail, tone: () => 'muted' },
  ];
  const table = drawTable(
    theme,
    { columns, rows: entries, keyOf: ({ key }) => key, cursor, empty },
    size.columns,
    room,
  );
  const detail: Span[] = problem === null ? chosenSpans(entries[index]) : [['bad', ` ${loadError(problem)}`]];
  return withDetail(view, table, detail);
}

function chosenSpans(chosen: TimelineEntry | undefined): Span[] {
  if (chosen === undefined) return [];
  return [
    ['plain', ` ${chosen.who} · ${chosen.what} · ${chosen.on} `],
    [TONES[chosen.outcome], `${chosen.outcome} `],
    ['muted', chosen.detail],
  ];
}
