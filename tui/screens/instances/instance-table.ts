import type { Instance } from '../../../shared/api/instances.ts';
import { cached } from '../../store/cached.ts';
import { bytes, latency, percent, shortDuration, since } from '../../store/text/format.ts';
import { phaseText, reasonLine, severityOf } from '../../store/text/reason.ts';
import type { Sort, SortColumn } from '../../store/view/sort.ts';
import { phaseLook, type Theme, type Token } from '../../theme.ts';
import { fit, widthOf } from '../../widgets/text.ts';

/** Minimum widths for the columns owner, process id, node and version, and for a separate column with the reason. */
const OWNER_FROM = 110;
const PID_FROM = 100;
const NODE_FROM = 80;
const VERSION_FROM = 170;
const MIN_REASON = 56;

interface Column {
  id: SortColumn | 'node' | 'pid' | 'version' | 'why';
  title: string;
  width: number;
  align: 'left' | 'right';
  text(instance: Instance, now: number): string;
}

export interface TableLayout {
  columns: readonly Column[];
  width: number;
  /** Index of the first column that the reason replaces in rows with a problem; null if the reason has its own column. */
  whyFrom: number | null;
}

/** Width of the cursor, the mark, the glyph and a space before the first column. */
const GUTTER = 4;

const widestName = cached((instances: ReadonlyMap<string, Instance>): number => {
  let widest = 0;
  for (const name of instances.keys()) widest = Math.max(widest, widthOf(name));
  return widest;
});

/** Of the names of nodes; 0 on a single server. Daemons of earlier releases do not say it. */
const widestNode = cached((instances: ReadonlyMap<string, Partial<Instance>>): number => {
  let widest = 0;
  for (const { node } of instances.values()) widest = Math.max(widest, widthOf(node ?? ''));
  return widest;
});

/** Depends only on the width and the longest name, so that the columns do not move when rows change. */
export function layoutTable(width: number, instances: ReadonlyMap<string, Instance>): TableLayout {
  const longest = Math.min(width < 90 ? 26 : 40, Math.max(12, widestName(instances)));
  const columns: Column[] = [column('name', 'NAME', longest, 'left', ({ name }) => name)];
  if (width >= OWNER_FROM) {
    columns.push(column('owner', 'OWNER', width >= 150 ? 28 : 22, 'left', ({ email }) => email ?? '–'));
  }
  const node = widestNode(instances);
  if (node > 0 && width >= NODE_FROM)
    columns.push(column('node', 'NODE', Math.min(16, Math.max(4, node)), 'left', (one) => one.node ?? '–'));
  const whyFrom = columns.length;
  columns.push(
    column('phase', 'PHASE', 12, 'left', ({ phase }) => phaseText(phase)),
    column('port', 'PORT', 5, 'right', ({ port }) => (port === null ? '–' : String(port))),
  );
  if (width >= PID_FROM) {
    columns.push(column('pid', 'PID', 7, 'right', ({ pid }) => (pid === null ? '–' : String(pid))));
  }
  if (width >= VERSION_FROM) {
    columns.push(column('version', 'VERSION', 9, 'left', versionText));
  }
  columns.push(
    column('uptime', 'UP', 5, 'right', uptimeText),
    column('restarts', 'RST', 4, 'right', ({ restarts }) => String(restarts)),
    column('pss', 'PSS', 5, 'right', ({ usage, pid }) =>
      measured(pid === null ? null : usage?.pss_bytes, bytes),
    ),
    column('cpu', 'CPU%', 5, 'right', ({ usage, pid }) =>
      measured(pid === null ? null : usage?.cpu_percent, percent),
    ),
    column('latency', 'PROBE', 7, 'right', ({ probe, pid }) =>
      measured(pid === null ? null : probe?.latency_ms, latency),
    ),
  );
  const used = columns.reduce((sum, one) => sum + one.width + 1, GUTTER);
  const left = width - used;
  if (left < MIN_REASON) return { columns, width, whyFrom };
  columns.push(column('why', 'WHY', left, 'left', (instance, now) => reasonLine(instance, now) ?? ''));
  return { columns, width, whyFrom: null };
}

function column(
  id: Column['id'],
  title: string,
  width: number,
  align: Column['align'],
  text: Column['text'],
): Column {
  return { id, title, width, align, text };
}

/** With a mark for a pinned version. */
function versionText({ pocketbase_version: version, pinned_version: pinned }: Instance): string {
  return typeof pinned === 'string' ? `${version} *` : version;
}

function uptimeText({ started_at: at, pid }: Instance, now: number): string {
  return at === null || pid === null ? '–' : shortDuration(since(at, now));
}

/** A dash for values that are missing or belong to a process that has exited. */
function measured(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? '–' : format(value);
}

export function tableHead(theme: Theme, { columns, width }: TableLayout, sort: Sort): string {
  const titles = columns.map(({ id, title, width: room, align }) => {
    const arrow = id === sort.column ? (sort.reversed ? '▴' : '▾') : '';
    return fit(title + arrow, room, align);
  });
  return theme.paint('muted', fit(`${' '.repeat(GUTTER)}${titles.join(' ')}`, width));
}

export interface RowState {
  chosen: boolean;
  marked: boolean;
}

export function tableRow(
  theme: Theme,
  layout: TableLayout,
  instance: Instance,
  now: number,
  { chosen, marked }: RowState,
): string {
  const { glyph, token } = phaseLook(instance.phase);
  const gutter = `${chosen ? '▸' : ' '}${marked ? '*' : ' '}`;
  const { before, after } = cells(layout, instance, now);
  // One colour for the selected row, so that its inverted bar has no gaps.
  if (chosen) return theme.paint('chosen', fit(`${gutter}${glyph} ${before}${after}`, layout.width));
  const quiet = instance.phase === 'asleep' ? 'muted' : 'plain';
  return (
    theme.paint(marked ? 'accent' : 'plain', gutter) +
    theme.paint(token, `${glyph} `) +
    theme.paint(marked ? 'accent' : quiet, before) +
    theme.paint(toneOf(instance, now), after)
  );
}

function cells(
  { columns, width, whyFrom }: TableLayout,
  instance: Instance,
  now: number,
): { before: string; after: string } {
  const why = whyFrom === null ? null : reasonLine(instance, now);
  const shown = whyFrom !== null && why !== null ? columns.slice(0, whyFrom) : columns;
  const split = whyFrom ?? columns.findIndex(({ id }) => id === 'phase');
  const texts = shown.map((one) => fit(one.text(instance, now), one.width, one.align));
  const before = texts
    .slice(0, split)
    .map((text) => `${text} `)
    .join('');
  const room = width - GUTTER - widthOf(before);
  return { before, after: fit(why ?? texts.slice(split).join(' '), room) };
}

function toneOf(instance: Instance, now: number): Token {
  switch (severityOf(instance, now)) {
    case 'down':
    case 'impaired':
      return 'bad';
    case 'recovering':
    case 'slow':
    case 'recovered':
      return 'warn';
    case 'ok':
      return instance.phase === 'running' ? 'plain' : phaseLook(instance.phase).token;
  }
}
