import type { DeadGroup, TaskSummary } from '../../../shared/api/queue.ts';
import { keyFor } from '../../keys/places.ts';
import type { FleetState } from '../../store/fleet/fleet-state.ts';
import { attemptsText, taskReason } from '../../store/queue/task-text.ts';
import { plural, shortDuration, since } from '../../store/text/format.ts';
import type { Cursor } from '../../store/view/cursor.ts';
import { QUEUE_TABS, type QueueTab } from '../../store/view/location.ts';
import { type Token, taskLook } from '../../theme.ts';
import { paintLine, paintSplit, type Span } from '../../widgets/line.ts';
import { sparkline } from '../../widgets/sparkline.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { type TabStrip, tabSpans } from '../../widgets/tabs.ts';
import type { View } from '../console.ts';
import { loadError } from '../frame/hints.ts';
import { ownerOf } from './task-actions.ts';

const TITLES: Readonly<Record<QueueTab, string>> = {
  recent: 'Recent',
  pending: 'Pending',
  processing: 'Processing',
  failed: 'Failed',
  dead: 'Dead',
  failures: 'By error',
};

/** The tabs, each with its number of tasks. */
export function queueStrip({ queue }: Pick<FleetState, 'queue'>, tab: QueueTab): TabStrip {
  const counts = queue?.stats?.counts;
  const countOf = (one: QueueTab) => (one === 'recent' || one === 'failures' ? undefined : counts?.[one]);
  return {
    before: [['plain', ' ']],
    titles: QUEUE_TABS.map((one) => `${TITLES[one]}${countOf(one) === undefined ? '' : ` ${countOf(one)}`}`),
    chosen: QUEUE_TABS.indexOf(tab),
    tone: (index) => (QUEUE_TABS[index] === 'dead' && (counts?.dead ?? 0) > 0 ? 'bad' : null),
  };
}

/** The state of the queue, and the tabs. */
export function queueHead(
  view: View,
  {
    tab,
    signature,
    place,
    filter,
  }: { tab: QueueTab; signature: string | undefined; place: Span[]; filter: string },
): string[] {
  const { fleet, theme, size } = view;
  const right: Span[] = [];
  if (filter !== '') right.push(['warn', `/${filter}  `]);
  right.push(...place);
  const one: Span[] = [
    ['title', ` ${TITLES[tab]} tasks with the error  `],
    ['bad', signature ?? ''],
  ];
  const left: Span[] = signature === undefined ? tabSpans(queueStrip(fleet, tab)) : one;
  return [stateLine(view), paintSplit(theme, left, right, size.columns)];
}

function stateLine(view: View): string {
  const { fleet, theme, size } = view;
  const refusal = fleet.refusals['queue'];
  if (refusal !== undefined) {
    return paintLine(theme, [['bad', ` ${loadError(`cannot read the queue: ${refusal}`)}`]], size.columns);
  }
  if (fleet.queue === null) return paintLine(theme, [['busy', ' ◌ loading the queue']], size.columns);
  const { stats } = fleet.queue;
  if (stats === null) return paintLine(theme, [['muted', ' your own tasks']], size.columns);
  const state: Span[] = stats.paused
    ? [['warn', ` ‖ paused: no task starts · ${keyFor('queue.pause')} resumes`]]
    : [
        ['good', ' ▸ running'],
        ['muted', `, at most ${stats.max_running} at the same time`],
      ];
  const done: Span = ['muted', `  ${stats.counts.done} done, ${stats.counts.cancelled} cancelled`];
  const width = Math.min(40, size.columns - 60);
  const depth: Span[] =
    width < 8
      ? []
      : [
          ['muted', 'depth '],
          ['accent', `${sparkline(fleet.history.queue_depth, width, 5)} `],
        ];
  return paintSplit(theme, [...state, done], depth, size.columns);
}

function toneOf({ status }: TaskSummary): Token {
  return taskLook(status).token;
}

export function taskTable(
  view: View,
  tasks: readonly TaskSummary[],
  { cursor, room, empty }: { cursor: Cursor; room: number; empty: string },
): string[] {
  const { fleet, ui, theme, size } = view;
  const ownerText = (task: TaskSummary) => {
    const owner = ownerOf(fleet, task);
    return owner === null ? (task.user_id ?? '–') : (owner.email ?? owner.name);
  };
  const columns: Column<TaskSummary>[] = [
    {
      title: 'TYPE',
      width: widthFor(
        tasks.map(({ type }) => type),
        10,
        24,
      ),
      text: ({ type }) => type,
    },
    {
      title: 'STATUS',
      width: 12,
      text: ({ status }) => `${taskLook(status).glyph} ${status}`,
      tone: toneOf,
    },
    { title: 'ATTEMPTS', width: 8, align: 'right', text: attemptsText },
    { title: 'WHY', width: 0, text: (task) => taskReason(task, fleet.now), tone: toneOf },
  ];
  const changed: Column<TaskSummary> = {
    title: 'CHANGED',
    width: 7,
    align: 'right',
    text: ({ updated }) => shortDuration(since(updated, fleet.now)),
  };
  const owner: Column<TaskSummary> = { title: 'FOR', width: size.columns >= 150 ? 28 : 22, text: ownerText };
  columns.splice(3, 0, changed);
  if (size.columns >= 100) columns.splice(4, 0, owner);
  return drawTable(
    theme,
    { columns, rows: tasks, keyOf: ({ id }) => id, cursor, marks: ui.marks, empty },
    size.columns,
    room,
  );
}

/** Details of the selected task that do not fit into its row. */
export function taskDetail({ fleet }: View, task: TaskSummary | undefined): Span[] {
  if (task === undefined) return [];
  const owner = ownerOf(fleet, task);
  const facts = [task.id, owner?.name, task.unique_key === null ? null : `key ${task.unique_key}`];
  return [
    [taskLook(task.status).token, ` ${task.status}`],
    ['plain', `  ${taskReason(task, fleet.now)}`],
    ['muted', `  ${facts.filter((fact) => typeof fact === 'string').join(' · ')}`],
  ];
}

export function failuresTable(
  { fleet, theme, size }: View,
  groups: readonly DeadGroup[],
  cursor: Cursor,
  room: number,
): string[] {
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  const columns: Column<DeadGroup>[] = [
    { title: 'DEAD', width: 6, align: 'right', text: ({ count }) => String(count), tone: () => 'bad' },
    { title: 'LAST', width: 6, align: 'right', text: ({ last }) => shortDuration(since(last, fleet.now)) },
    {
      title: `ERROR · ${plural(total, 'dead task')}, ${plural(groups.length, 'error')}`,
      width: 0,
      text: ({ signature }) => signature,
    },
  ];
  const empty = '✓ No dead tasks.';
  return drawTable(
    theme,
    { columns, rows: groups, keyOf: ({ signature }) => signature, cursor, empty },
    size.columns,
    room,
  );
}
