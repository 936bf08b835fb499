import type { DaemonStatus, SlowWake } from '../../../shared/api/daemon.ts';
import { wakeCauseText } from '../../store/events/timeline.ts';
import { latency, plural, stamp } from '../../store/text/format.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import type { Span } from '../../widgets/line.ts';
import { type Column, drawTable } from '../../widgets/table.ts';
import type { ConsoleState, View } from '../console.ts';

/** Of the list of the slowest wakes. */
const WAKES_LIST = 'host:wakes';

/** Wakes of the last hour; null before the status is known, and for a daemon of an earlier release. */
function recentWakes({ fleet: { status } }: Pick<ConsoleState, 'fleet'>): DaemonStatus['wakes'] | null {
  const { wakes }: Partial<DaemonStatus> = status ?? {};
  return wakes ?? null;
}

/** Slowest first. */
export function slowWakesOf(state: Pick<ConsoleState, 'fleet'>): readonly SlowWake[] {
  return recentWakes(state)?.slowest ?? [];
}

export function wakeKey({ database, at }: SlowWake): string {
  return `${database} ${at}`;
}

/** Shown at the right of the tabs. */
export function wakesNote(view: View): Span[] {
  const wakes = recentWakes(view);
  if (wakes === null) return [];
  return [['muted', `${plural(wakes.last_hour, 'wake')} in the last hour, the slowest first `]];
}

/** `room` rows below the heading. */
export function wakesTable(view: View, room: number): string[] {
  const { fleet, ui, theme, size } = view;
  const columns: Column<SlowWake>[] = [
    { title: 'TOOK', width: 8, align: 'right', text: ({ duration_ms: ms }) => latency(ms) },
    { title: 'DATABASE', width: 0, text: ({ database }) => database },
    { title: 'WOKEN BY', width: 10, text: ({ by }) => wakeCauseText(by) },
    { title: 'TIME', width: 12, text: ({ at }) => stamp(at, fleet.now) },
  ];
  const empty = fleet.status === null ? 'Loading.' : 'No database was woken in the last hour.';
  return drawTable(
    theme,
    { columns, rows: slowWakesOf(view), keyOf: wakeKey, cursor: cursorOf(ui, WAKES_LIST), empty },
    size.columns,
    room,
  );
}
