import type { Instance } from '../../../shared/api/instances.ts';
import { keyFor } from '../../keys/places.ts';
import { cached } from '../../store/cached.ts';
import { notReadyYet } from '../../store/fleet/fleet-state.ts';
import { byteSize, bytes, plural } from '../../store/text/format.ts';
import { phaseText, reasonLine } from '../../store/text/reason.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { namesOf } from '../../store/view/rows.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import { phaseLook } from '../../theme.ts';
import { paintSplit, type Span } from '../../widgets/line.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { type ConsoleState, type Size, stateOf, type View } from '../console.ts';
import { NO_MATCH, NO_PROBLEMS } from '../frame/hints.ts';
import { detailRows, withInstanceDetail } from '../frame/list-detail.ts';
import { showAllInstances, toggleProblemsOnly } from '../frame/marks.ts';
import { openSpot } from '../input/navigate.ts';
import type { List, Screen } from '../screen.ts';

const LIST = 'databases';

/** The databases of the users. */
export const databasesScreen: Screen = {
  place: () => 'databases',
  lines: databasesLines,
  list: listOf,
  instance: chosenName,
  describe(state) {
    const name = chosenName(state);
    return name === null ? null : { kind: 'instance', name };
  },
  command: () => 'databases list',
  clear: showAllInstances,
  run(console, command) {
    if (command === 'problems.only') return toggleProblemsOnly(console);
    if (command === 'databases.deleted') {
      openSpot(console, { screen: 'deleted-databases' });
      return true;
    }
    if (command !== 'open') return false;
    const name = chosenName(stateOf(console));
    if (name !== null) openSpot(console, { screen: 'instance', name, tab: 'data' });
    return true;
  },
};

const ofUsers = cached((rows: readonly Instance[]): readonly Instance[] =>
  rows.filter(({ kind }) => kind === 'user'),
);

function rowsOf({ fleet, ui, rows }: ConsoleState): readonly Instance[] {
  return ofUsers(rows(fleet, { filter: filterOf(ui, LIST), sort: ui.sort, problemsOnly: ui.problemsOnly }));
}

function listOf(state: ConsoleState): List {
  return {
    id: LIST,
    keys: namesOf(rowsOf(state)),
    from: () => 2,
    room: listRows,
    filterHint: 'name, owner, phase, reason, port',
  };
}

/** Rows without the summary, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

function chosenName(state: ConsoleState): string | null {
  const names = namesOf(rowsOf(state));
  return names[cursorIndex(names, cursorOf(state.ui, LIST))] ?? null;
}

const diskBytes = cached((rows: readonly Instance[]): number =>
  rows.reduce((sum, { usage }) => sum + (usage?.disk_bytes ?? 0), 0),
);

const widestName = cached((rows: readonly Instance[]): number => widthFor(namesOf(rows), 12, 40));

function databasesLines(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const rows = rowsOf(view);
  const cursor = cursorOf(ui, LIST);
  const disk = diskBytes(rows);
  const filter = filterOf(ui, LIST);
  const right: Span[] = [
    ...(ui.problemsOnly ? [['warn', '! problems only  '] as Span] : []),
    ...(filter === '' ? [] : [['warn', `/${filter}  `] as Span]),
    ['muted', `${cursorIndex(namesOf(rows), cursor) + 1}/${rows.length} `],
  ];
  const head = paintSplit(
    theme,
    [
      ['strong', ` ${plural(rows.length, 'database')}`],
      ['muted', `  ${byteSize(disk)} on disk · ${keyFor('open')} shows the data, read-only`],
    ],
    right,
    size.columns,
  );
  const columns: Column<Instance>[] = [
    {
      title: 'NAME',
      width: Math.min(size.columns < 90 ? 26 : 40, widestName(rows)),
      text: ({ name }) => name,
    },
    {
      title: 'DISK',
      width: 6,
      align: 'right',
      text: ({ usage }) => (usage?.disk_bytes ? bytes(usage.disk_bytes) : '–'),
    },
    {
      title: 'PHASE',
      width: 0,
      text: (one) => `${phaseLook(one.phase).glyph} ${reasonLine(one, fleet.now) ?? phaseText(one.phase)}`,
      tone: ({ phase }) => phaseLook(phase).token,
    },
  ];
  const wide: Column<Instance>[] = [
    { title: 'OWNER', width: size.columns >= 150 ? 32 : 24, text: ({ email }) => email ?? '–' },
    { title: 'CREATED', width: 10, text: ({ created_at: at }) => at.slice(0, 10) },
  ];
  if (size.columns >= 100) columns.splice(1, 0, ...wide);
  const empty =
    ui.problemsOnly && filter === ''
      ? NO_PROBLEMS
      : filter === ''
        ? (notReadyYet(fleet) ?? 'No databases yet: each user gets one at sign-up.')
        : NO_MATCH;
  const table = drawTable(
    theme,
    { columns, rows, keyOf: ({ name }) => name, cursor, empty },
    size.columns,
    listRows(size),
  );
  return [head, ...withInstanceDetail(view, table, rows[cursorIndex(namesOf(rows), cursor)])];
}
