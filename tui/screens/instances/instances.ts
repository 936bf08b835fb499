import type { Instance } from '../../../shared/api/instances.ts';
import { notReadyYet } from '../../store/fleet/fleet-state.ts';
import { fleetPhases } from '../../store/fleet/problems.ts';
import { plural } from '../../store/text/format.ts';
import { cursorIndex, visibleTop } from '../../store/view/cursor.ts';
import { namesOf } from '../../store/view/rows.ts';
import { nextSort, type Sort } from '../../store/view/sort.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import { paintSplit, type Span } from '../../widgets/line.ts';
import { phaseCounts } from '../../widgets/phase-counts.ts';
import { type Console, type ConsoleState, type Size, showNotice, stateOf, type View } from '../console.ts';
import { NO_MATCH, NO_PROBLEMS } from '../frame/hints.ts';
import { detailRows, withInstanceDetail } from '../frame/list-detail.ts';
import { clearMarks, showAllInstances, toggleAll, toggleMark, toggleProblemsOnly } from '../frame/marks.ts';
import type { List, Screen } from '../screen.ts';
import { layoutTable, tableHead, tableRow } from './instance-table.ts';

const LIST = 'instances';

/** Rows without the summary, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

export const instancesScreen: Screen = {
  place: () => 'instances',
  lines: instancesLines,
  list: listOf,
  describe: (state) => {
    const name = chosenName(state);
    return name === null ? null : { kind: 'instance', name };
  },
  instance: chosenName,
  command: () => 'databases list',
  run(console, command, size) {
    switch (command) {
      case 'problems.only':
        return toggleProblemsOnly(console);
      case 'mark':
        return mark(console, size);
      case 'mark.all':
        return markAll(console);
      case 'sort.next':
        return sort(console, nextSort(console.ui.get().sort));
      case 'sort.reverse': {
        const before = console.ui.get().sort;
        return sort(console, { ...before, reversed: !before.reversed });
      }
      default:
        return false;
    }
  },
  clear: (console) => clearMarks(console) || showAllInstances(console),
};

function listOf(state: ConsoleState): List {
  return {
    id: LIST,
    keys: namesOf(rowsOf(state)),
    from: () => 2,
    room: listRows,
    filterHint: 'name, owner, phase, reason, port',
  };
}

function chosenName(state: ConsoleState): string | null {
  return namesOf(rowsOf(state))[chosenIndex(state)] ?? null;
}

function rowsOf({ rows, fleet, ui }: ConsoleState): readonly Instance[] {
  return rows(fleet, { filter: filterOf(ui, LIST), sort: ui.sort, problemsOnly: ui.problemsOnly });
}

function chosenIndex(state: ConsoleState): number {
  return cursorIndex(namesOf(rowsOf(state)), cursorOf(state.ui, LIST));
}

function instancesLines(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const rows = rowsOf(view);
  const room = listRows(size);
  const index = chosenIndex(view);
  const top = visibleTop(cursorOf(ui, LIST).top, index, room, rows.length);
  const layout = layoutTable(size.columns, fleet.instances);
  const table = rows.slice(top, top + room).map((instance, offset) =>
    tableRow(theme, layout, instance, fleet.now, {
      chosen: top + offset === index,
      marked: ui.marks.has(instance.name),
    }),
  );
  if (rows.length === 0) table.push(theme.paint('muted', emptyText(view)));
  while (table.length < room) table.push('');
  return [
    summaryLine(view, rows, index),
    tableHead(theme, layout, ui.sort),
    ...withInstanceDetail(view, table, rows[index]),
  ];
}

function emptyText({ fleet, ui }: View): string {
  if (fleet.instances.size === 0) {
    return `    ${notReadyYet(fleet) ?? 'No instances yet: each user gets one at sign-up.'}`;
  }
  if (ui.problemsOnly && filterOf(ui, LIST) === '') return `    ${NO_PROBLEMS}`;
  return `    ${NO_MATCH}`;
}

function summaryLine({ fleet, ui, theme, size }: View, rows: readonly Instance[], index: number): string {
  const counts = fleetPhases(fleet.instances);
  const left: Span[] = [['strong', ` ${plural(fleet.instances.size, 'instance')}`]];
  left.push(...phaseCounts(counts));
  const right: Span[] = [];
  const marked = [...ui.marks].filter((name) => fleet.instances.has(name)).length;
  if (marked > 0) right.push(['accent', `${marked} marked  `]);
  if (ui.problemsOnly) right.push(['warn', '! problems only  ']);
  const filter = filterOf(ui, LIST);
  if (filter !== '') right.push(['warn', `/${filter}  ${rows.length} shown  `]);
  right.push(['muted', rows.length === 0 ? '' : `${index + 1}/${rows.length} `]);
  return paintSplit(theme, left, right, size.columns);
}

function sort({ ui }: Console, wanted: Sort): true {
  ui.update((state) => ({ ...state, sort: wanted }));
  return true;
}

function mark(console: Console, size: Size): true {
  const state = stateOf(console);
  const instance = rowsOf(state)[chosenIndex(state)];
  if (instance?.kind === 'user') toggleMark(console, listOf(state), instance.name, size);
  else if (instance !== undefined)
    showNotice(console, 'The global database is managed by the daemon and cannot be marked.');
  return true;
}

function markAll(console: Console): true {
  const shown = rowsOf(stateOf(console)).filter(({ kind }) => kind === 'user');
  toggleAll(console, namesOf(shown));
  return true;
}
