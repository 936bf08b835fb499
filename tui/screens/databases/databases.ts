import type { Instance } from '../../../shared/instance.ts';
import { notReadyYet } from '../../store/fleet/fleet-state.ts';
import { NO_PROBLEMS } from '../../store/fleet/problem-rows.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { namesOf } from '../../store/view/rows.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import { byteSize, bytes, plural } from '../../store/words/format.ts';
import { phaseWord, whyLine } from '../../store/words/why.ts';
import { phaseLook } from '../../theme.ts';
import { paintSplit, type Span } from '../../widgets/line.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { lookOf } from '../console.ts';
import { detailRows, withChosen } from '../frame/chosen-line.ts';
import { showAllInstances, toggleProblemsOnly } from '../frame/marks.ts';
import { open } from '../presses/navigate.ts';
import type { List, Look, Screen, Size, View } from '../screen.ts';

const LIST = 'databases';

/** User databases, to look into. */
export const databasesScreen: Screen = {
  place: () => 'databases',
  lines: databasesLines,
  list: listOf,
  instance: chosenName,
  describe(look) {
    const name = chosenName(look);
    return name === null ? null : { kind: 'instance', name };
  },
  command: () => 'databases list',
  clear: showAllInstances,
  run(console, command) {
    if (command === 'problems.only') return toggleProblemsOnly(console);
    if (command !== 'open') return false;
    const name = chosenName(lookOf(console));
    if (name !== null) open(console, { screen: 'instance', name, tab: 'data' });
    return true;
  },
};

function rowsOf({ fleet, ui, rows }: Look): readonly Instance[] {
  const all = rows(fleet, { filter: filterOf(ui, LIST), sort: ui.sort, problemsOnly: ui.problemsOnly });
  return all.filter(({ kind }) => kind === 'user');
}

function listOf(look: Look): List {
  return {
    id: LIST,
    keys: namesOf(rowsOf(look)),
    from: () => 2,
    room: listRows,
    filterHint: 'name, owner, phase, why, port',
  };
}

/** What the summary, the headings and what is said of the chosen one leave. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

function chosenName(look: Look): string | null {
  const names = namesOf(rowsOf(look));
  return names[cursorIndex(names, cursorOf(look.ui, LIST))] ?? null;
}

function databasesLines(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const rows = rowsOf(view);
  const cursor = cursorOf(ui, LIST);
  const disk = rows.reduce((sum, { usage }) => sum + (usage?.disk_bytes ?? 0), 0);
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
      ['muted', `  ${byteSize(disk)} on disk, where measured · ⏎ looks into one, read-only`],
    ],
    right,
    size.columns,
  );
  const columns: Column<Instance>[] = [
    {
      title: 'NAME',
      width: widthFor(namesOf(rows), 12, size.columns < 90 ? 26 : 40),
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
      text: (one) => `${phaseLook(one.phase).glyph} ${whyLine(one, fleet.now) ?? phaseWord(one.phase)}`,
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
      ? `✓ ${NO_PROBLEMS}`
      : filter === ''
        ? (notReadyYet(fleet) ?? 'No databases yet: each user gets one when signing up.')
        : 'Nothing matches the filter. Esc shows all again.';
  const table = drawTable(
    theme,
    { columns, rows, keyOf: ({ name }) => name, cursor, empty },
    size.columns,
    listRows(size),
  );
  return [head, ...withChosen(view, table, rows[cursorIndex(namesOf(rows), cursor)])];
}
