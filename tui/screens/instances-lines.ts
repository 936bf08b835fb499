import type { Instance } from '../../shared/instance.ts';
import { cursorIndex, visibleTop } from '../store/cursor.ts';
import { plural } from '../store/format.ts';
import { countPhases } from '../store/problems.ts';
import { namesOf } from '../store/rows.ts';
import { whyLine } from '../store/why.ts';
import { phaseLook } from '../theme.ts';
import { paintLine, paintSplit, type Span } from '../widgets/line.ts';
import { phaseCounts } from '../widgets/phase-counts.ts';
import type { Size, View } from './console.ts';
import { layoutTable, tableHead, tableRow } from './instance-table.ts';

/** Rows of the list: what the summary, the headings and the line about the chosen one leave. */
export function listRows({ rows }: Size): number {
  return Math.max(1, rows - 3);
}

export function instancesLines(view: View, rows: readonly Instance[]): string[] {
  const { fleet, ui, theme, size } = view;
  const room = listRows(size);
  const index = cursorIndex(namesOf(rows), ui.list);
  const top = visibleTop(ui.list.top, index, room, rows.length);
  const layout = layoutTable(size.columns, fleet.instances.values());
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
    ...table,
    chosenLine(view, rows[index]),
  ];
}

function emptyText({ fleet, ui }: View): string {
  if (fleet.instances.size === 0) return '    No instances yet: each user gets one when signing up.';
  return `    Nothing matches "${ui.filter}". Esc shows all ${fleet.instances.size} again.`;
}

function summaryLine({ fleet, ui, theme, size }: View, rows: readonly Instance[], index: number): string {
  const counts = countPhases(fleet.instances.values());
  const left: Span[] = [['strong', ` ${plural(fleet.instances.size, 'instance')}`]];
  left.push(...phaseCounts(counts));
  const right: Span[] = [];
  if (ui.marks.size > 0) right.push(['accent', `${ui.marks.size} marked  `]);
  if (ui.filter !== '') right.push(['warn', `/${ui.filter}  ${rows.length} shown  `]);
  right.push(['muted', rows.length === 0 ? '' : `${index + 1}/${rows.length} `]);
  return paintSplit(theme, left, right, size.columns);
}

/** The whole story of one instance; a row has room for its short form only. */
export function chosenLine(
  { fleet, theme, size }: Pick<View, 'fleet' | 'theme' | 'size'>,
  instance: Instance | undefined,
): string {
  if (instance === undefined) return '';
  const why = whyLine(instance, fleet.now);
  const { token } = phaseLook(instance.phase);
  const facts = [instance.email, instance.url].filter((fact) => fact !== null).join(' · ');
  if (why === null) return paintLine(theme, [['muted', ` ${facts}`]], size.columns);
  // The short form first, whole where the row had to cut it; then the sentence that says what to do.
  const message = instance.reason?.message ?? '';
  const more = message === '' || why.includes(message) ? '' : ` — ${message}`;
  return paintLine(
    theme,
    [
      [token, ` ${why}`],
      ['plain', more],
    ],
    size.columns,
  );
}
