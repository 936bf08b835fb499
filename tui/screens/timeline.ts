import type { Cursor } from '../store/cursor.ts';
import { stamp } from '../store/format.ts';
import { journalKey, type TimelineEntry } from '../store/timeline.ts';
import type { Wants } from '../store/wants.ts';
import type { Token } from '../theme.ts';
import { paintLine } from '../widgets/line.ts';
import { type Column, drawTable } from '../widgets/table.ts';
import type { View } from './screen.ts';

/** What a timeline is made from: of all instances, or of one. */
export function wantsTimeline(name: string | null): Wants {
  return {
    topics: ['audit'],
    pages: [
      {
        slot: 'journal',
        key: journalKey(name),
        load: async (to) => (await to.events({ ...(name === null ? {} : { name }), limit: 500 })).items,
      },
    ],
  };
}

const TONES: Readonly<Record<TimelineEntry['outcome'], Token>> = {
  '': 'plain',
  ok: 'good',
  refused: 'warn',
  failed: 'bad',
};

/** Only those of other days have their day, and the oldest comes last. */
function timeWidth(entries: readonly TimelineEntry[], now: number): number {
  const oldest = entries.at(-1);
  return oldest === undefined ? 8 : stamp(oldest.at, now).length;
}

/** Heading, rows, and all of the chosen one. `named` shows on what it was; of one instance that is known. */
export function timelineLines(
  view: View,
  entries: readonly TimelineEntry[],
  {
    cursor,
    index,
    room,
    named,
    empty,
  }: { cursor: Cursor; index: number; room: number; named: boolean; empty: string },
): string[] {
  const { fleet, theme, size } = view;
  const wide = size.columns >= 120;
  const on: Column<TimelineEntry> = { title: 'ON', width: wide ? 30 : 22, text: (entry) => entry.on };
  const columns: Column<TimelineEntry>[] = [
    { title: 'TIME', width: timeWidth(entries, fleet.now), text: ({ at }) => stamp(at, fleet.now) },
    { title: 'WHAT', width: wide ? 24 : 18, text: ({ what }) => what },
    ...(named ? [on] : []),
    { title: 'OUTCOME', width: 7, text: ({ outcome }) => outcome, tone: ({ outcome }) => TONES[outcome] },
    { title: 'WHO', width: wide ? 24 : 10, text: ({ who }) => who },
    { title: 'DETAIL', width: 0, text: ({ detail }) => detail, tone: () => 'muted' },
  ];
  const chosen = entries[index];
  return [
    ...drawTable(
      theme,
      { columns, rows: entries, keyOf: ({ key }) => key, cursor, empty },
      size.columns,
      room,
    ),
    chosen === undefined
      ? ''
      : paintLine(
          theme,
          [
            ['plain', ` ${chosen.who} · ${chosen.what} · ${chosen.on} `],
            [TONES[chosen.outcome], `${chosen.outcome} `],
            ['muted', chosen.detail],
          ],
          size.columns,
        ),
  ];
}
