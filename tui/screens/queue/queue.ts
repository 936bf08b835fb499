import type { DeadGroup, TaskSummary } from '../../../shared/api/queue.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import type { Command } from '../../keys/commands.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import type { FleetState } from '../../store/fleet/fleet-state.ts';
import { FIRST_LIMIT, olderStatus, readLatest } from '../../store/pages/latest.ts';
import { type PageRequest, type PageState, pageOf } from '../../store/pages/pages.ts';
import { hasAllTasks } from '../../store/queue/queue-state.ts';
import { taskReason } from '../../store/queue/task-text.ts';
import { plural } from '../../store/text/format.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { wordFilter } from '../../store/view/filter.ts';
import { type Location, QUEUE_TABS, type QueueTab } from '../../store/view/location.ts';
import { cursorOf, filterOf, limitOf } from '../../store/view/ui-state.ts';
import type { Span } from '../../widgets/line.ts';
import { type Console, type ConsoleState, type Size, stateOf, type View } from '../console.ts';
import { noMatchText, positionSpans } from '../events/older-items.ts';
import { detailRows, withDetail } from '../frame/list-detail.ts';
import { clearMarks, toggleAll, toggleMark } from '../frame/marks.ts';
import { openSpot, switchTo } from '../input/navigate.ts';
import { startAction } from '../input/start-action.ts';
import type { List, OlderItems, Screen } from '../screen.ts';
import { failuresTable, queueHead, queueStrip, taskDetail, taskTable } from './queue-lines.ts';
import { actOnTasks, ownerOf, runTaskCommand, taskCopies, togglePause } from './task-actions.ts';

/** Milliseconds between two requests for the first page of tasks. More items take longer, so the pause is longer too. */
const INTERVAL_MS = 500;

/** The queue: the last changed tasks, the tasks of each status, and dead letters grouped by error. */
export const queueScreen: Screen = {
  place: ({ at }) => (spotOf(at).tab === 'failures' ? 'failures' : 'queue'),
  lines: queueLines,
  list: listOf,
  tabs({ fleet, ui }) {
    const { tab, signature } = spotOf(ui.at);
    // The tasks of one error are shown without tabs.
    return signature === undefined ? { row: 1, strip: queueStrip(fleet, tab), turn: switchToTab } : null;
  },
  instance: (state) => ownerOf(state.fleet, chosenTask(state))?.name ?? null,
  describe(state) {
    const task = chosenTask(state);
    return task === undefined ? null : { kind: 'task', id: task.id };
  },
  command({ ui }) {
    const { tab } = spotOf(ui.at);
    if (tab === 'failures') return 'queue dead';
    return tab === 'recent' ? 'queue list' : `queue list --status ${tab}`;
  },
  copies: copiesOf,
  needs: (state) => ({ topics: ['queue'], pages: requests(state) }),
  run,
  clear: clearMarks,
};

type QueueSpot = Extract<Location, { screen: 'queue' }>;

function spotOf(at: Location): QueueSpot {
  if (at.screen !== 'queue') throw new Error(`not a queue screen: ${at.screen}`);
  return at;
}

function requests({ fleet: { queue }, ui }: ConsoleState): PageRequest[] {
  const { tab, signature } = spotOf(ui.at);
  const id = listId(tab, signature);
  const limit = limitOf(ui, id);
  // Before the first snapshot there is no version. The stream itself delivers the most recent tasks.
  if (queue === null || (tab === 'recent' && limit === FIRST_LIMIT)) return [];
  const version = String(queue.version);
  if (tab === 'failures') {
    return [{ slot: 'failures', key: tab, version, load: async (to) => (await to.queue.dead()).items }];
  }
  return [
    {
      slot: 'tasks',
      key: id,
      version: `${version} ${limit}`,
      intervalMs: INTERVAL_MS * (limit / FIRST_LIMIT),
      load: ({ queue: tasks }) =>
        readLatest(
          limit,
          (task) => task.id,
          (page) =>
            tasks.list({ ...page, status: tab === 'recent' ? undefined : tab, signature, sort: '-updated' }),
        ),
    },
  ];
}

function listId(tab: QueueTab, signature: string | undefined): string {
  return `queue:${tab}:${signature ?? ''}`;
}

function pageFor({ fleet, ui }: ConsoleState): PageState | null {
  const { tab, signature } = spotOf(ui.at);
  if (tab === 'failures') return pageOf(fleet, 'failures', tab);
  return pageOf(fleet, 'tasks', listId(tab, signature));
}

const cache = new WeakMap<FleetState, Map<string, readonly TaskSummary[]>>();

/** Cached for each state of the fleet, because several parts of the screen use it. */
function tasksOf(state: ConsoleState): readonly TaskSummary[] {
  const { tab, signature } = spotOf(state.ui.at);
  const id = listId(tab, signature);
  const key = `${id} ${filterOf(state.ui, id)}`;
  const made = cache.get(state.fleet) ?? new Map<string, readonly TaskSummary[]>();
  cache.set(state.fleet, made);
  const tasks = made.get(key) ?? selectTasks(state);
  made.set(key, tasks);
  return tasks;
}

/** The tasks of the tab, newest first. Newer states from the stream replace those of the loaded page. */
function selectTasks({ fleet, ui }: ConsoleState): readonly TaskSummary[] {
  const { tab, signature } = spotOf(ui.at);
  if (fleet.queue === null || tab === 'failures') return [];
  const live = fleet.queue.tasks;
  const matches = wordFilter(filterOf(ui, listId(tab, signature)));
  const loaded = pageOf(fleet, 'tasks', listId(tab, signature))?.value?.items ?? [];
  const all =
    tab === 'recent'
      ? [...[...live.values()].toReversed(), ...loaded.filter(({ id }) => !live.has(id))]
      : loaded.map((task) => live.get(task.id) ?? task).filter(({ status }) => status === tab);
  return matches === null ? all : all.filter((task) => matches(searchText(fleet, task)));
}

function searchText(fleet: FleetState, task: TaskSummary): string {
  const owner = ownerOf(fleet, task);
  return [task.id, task.type, task.status, taskReason(task, fleet.now), owner?.name, owner?.email].join('\n');
}

function failuresOf({ fleet, ui }: ConsoleState): readonly DeadGroup[] {
  const groups = pageOf(fleet, 'failures', 'failures')?.value ?? [];
  const matches = wordFilter(filterOf(ui, listId('failures', undefined)));
  return matches === null ? groups : groups.filter(({ signature }) => matches(signature));
}

function listOf(state: ConsoleState): List {
  const { tab, signature } = spotOf(state.ui.at);
  const failures = tab === 'failures';
  return {
    id: listId(tab, signature),
    keys: failures ? failuresOf(state).map((one) => one.signature) : tasksOf(state).map(({ id }) => id),
    from: () => 3,
    room: listRows,
    filterHint: failures ? 'error' : 'type, owner, status, error, id',
    ...(failures ? {} : { older: olderItems(state) }),
  };
}

/** Rows without the two lines at the top, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 3 - detailRows(size));
}

function chosenTask(state: ConsoleState): TaskSummary | undefined {
  const tasks = tasksOf(state);
  return tasks[indexIn(state)];
}

function indexIn(state: ConsoleState): number {
  const { id, keys } = listOf(state);
  return cursorIndex(keys, cursorOf(state.ui, id));
}

function queueLines(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const { tab, signature } = spotOf(ui.at);
  const list = listOf(view);
  const index = indexIn(view);
  const page = pageFor(view);
  const head = queueHead(view, {
    tab,
    signature,
    place:
      list.older === undefined
        ? [['muted', `${index + 1}/${list.keys.length} `]]
        : positionSpans(index, list.keys.length, list.older),
    filter: filterOf(ui, list.id),
  });
  const cursor = cursorOf(ui, list.id);
  if (fleet.queue === null) return head;
  if (tab !== 'recent' && page !== null && page.value === null) {
    return [...head, '', theme.paint(page.error === null ? 'busy' : 'bad', ` ${page.error ?? '◌ loading'}`)];
  }
  const room = listRows(size);
  if (tab === 'failures') {
    const groups = failuresOf(view);
    const table = failuresTable(view, groups, cursor, room);
    const detail: Span[] = [['bad', ` ${page?.error ?? groups[index]?.signature ?? ''}`]];
    return [...head, ...withDetail(view, table, detail)];
  }
  const tasks = tasksOf(view);
  const empty = filterOf(ui, list.id) === '' ? NO_TASKS : noMatchText(olderItems(view));
  const table = taskTable(view, tasks, { cursor, room, empty });
  const error = page?.error ?? null;
  const detail: Span[] = error === null ? taskDetail(view, tasks[index]) : [['bad', ` ${error}`]];
  return [...head, ...withDetail(view, table, detail)];
}

const NO_TASKS = "No tasks. Add one with 'fathomd queue add' or the API.";

function olderItems(state: ConsoleState): OlderItems {
  const { tab, signature } = spotOf(state.ui.at);
  const id = listId(tab, signature);
  const page = pageOf(state.fleet, 'tasks', id);
  if (tab === 'recent' && page === null && hasAllTasks(state.fleet.queue))
    return { id, error: null, status: 'none' };
  const shown = tab !== 'recent' && page === null ? { value: null } : page;
  return { id, error: page?.error ?? null, status: olderStatus(shown, limitOf(state.ui, id)) };
}

function copiesOf(state: ConsoleState): CopyChoice[] {
  if (spotOf(state.ui.at).tab !== 'failures') return taskCopies(state, chosenTask(state));
  const group = failuresOf(state)[indexIn(state)];
  return copyChoices(
    [COPY_KEYS.error, 'the error', group?.signature],
    [COPY_KEYS.row, 'the row', group && rowText([group.count, group.last, group.signature])],
  );
}

function run(console: Console, command: Command, size: Size): boolean {
  const state = stateOf(console);
  const { tab } = spotOf(state.ui.at);
  const turn = (by: number) => {
    switchToTab(console, (QUEUE_TABS.indexOf(tab) + by + QUEUE_TABS.length) % QUEUE_TABS.length);
    return true;
  };
  switch (command) {
    case 'tab.next':
      return turn(1);
    case 'tab.previous':
      return turn(-1);
    case 'queue.pause':
      togglePause(console);
      return true;
    default:
      return tab === 'failures'
        ? runFailures(console, state, command)
        : runTasks(console, state, command, size);
  }
}

function switchToTab(console: Console, index: number): void {
  switchTo(console, { screen: 'queue', tab: QUEUE_TABS[index] ?? 'recent' });
}

function runFailures(console: Console, state: ConsoleState, command: Command): boolean {
  const group = failuresOf(state)[indexIn(state)];
  if (group === undefined) return command === 'open';
  const { signature, count } = group;
  switch (command) {
    case 'open':
      openSpot(console, { screen: 'queue', tab: 'dead', signature });
      return true;
    case 'failures.retry':
      startAction(console, {
        verb: 'retryFailures',
        names: [signature],
        what: `${plural(count, 'dead task')} with the error “${signature}”`,
      });
      return true;
    default:
      return false;
  }
}

function runTasks(console: Console, state: ConsoleState, command: Command, size: Size): boolean {
  const tasks = tasksOf(state);
  const chosen = chosenTask(state);
  switch (command) {
    case 'open':
      if (chosen !== undefined) openSpot(console, { screen: 'task', id: chosen.id });
      return true;
    case 'mark':
      if (chosen !== undefined) toggleMark(console, listOf(state), chosen.id, size);
      return true;
    case 'mark.all':
      toggleAll(
        console,
        tasks.map(({ id }) => id),
      );
      return true;
    case 'task.retry':
    case 'task.cancel': {
      const marked = tasks.filter(({ id }) => state.ui.marks.has(id));
      actOnTasks(console, command, marked.length > 0 || chosen === undefined ? marked : [chosen]);
      return true;
    }
    default:
      return runTaskCommand(console, command, chosen);
  }
}
