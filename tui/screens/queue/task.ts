import type { Task, TaskSummary } from '../../../shared/api/queue.ts';
import { type PageState, pageOf } from '../../store/pages/pages.ts';
import type { Location } from '../../store/view/location.ts';
import { type ConsoleState, stateOf, type View } from '../console.ts';
import type { LongText, Screen } from '../screen.ts';
import { actOnTasks, ownerOf, runTaskCommand, taskCopies, togglePause } from './task-actions.ts';
import { taskLines } from './task-lines.ts';

/** One task with its attempts, payload and result. */
export const taskScreen: Screen = {
  place: () => 'task',
  lines(view) {
    const text = textOf(view);
    return [headOf(view), '', ...bodyOf(view).slice(view.ui.tops[text.id] ?? 0)];
  },
  text: textOf,
  instance: (state) => ownerOf(state.fleet, taskOf(state))?.name ?? null,
  describe: ({ ui }) => ({ kind: 'task', id: idOf(ui.at) }),
  command: ({ ui }) => `queue show ${idOf(ui.at)}`,
  copies: (state) => taskCopies(state, pageFor(state)?.value ?? taskOf(state)),
  needs: ({ fleet, ui }) => taskNeeds(fleet.queue, idOf(ui.at)),
  run(console, command) {
    const task = taskOf(stateOf(console));
    switch (command) {
      case 'task.retry':
      case 'task.cancel':
        actOnTasks(console, command, task === undefined ? [] : [task]);
        return true;
      case 'queue.pause':
        togglePause(console);
        return true;
      default:
        return runTaskCommand(console, command, task);
    }
  },
};

function idOf(at: Location): string {
  if (at.screen !== 'task') throw new Error(`not a task screen: ${at.screen}`);
  return at.id;
}

/** The data of the task screen. The task is loaded again after each change that the stream reports. */
export function taskNeeds(queue: { tasks: ReadonlyMap<string, TaskSummary> } | null, id: string) {
  const version = queue?.tasks.get(id)?.updated ?? '';
  return {
    topics: ['queue'] as const,
    pages: [
      {
        slot: 'task' as const,
        key: id,
        version,
        load: (to: { queue: { get(id: string): Promise<Task> } }) => to.queue.get(id),
      },
    ],
  };
}

function pageFor({ fleet, ui }: ConsoleState): PageState<Task> | null {
  return pageOf(fleet, 'task', idOf(ui.at));
}

/** The current state from the stream, else from the last request. */
function taskOf(state: ConsoleState): TaskSummary | undefined {
  const id = idOf(state.ui.at);
  return state.fleet.queue?.tasks.get(id) ?? pageFor(state)?.value ?? undefined;
}

function headOf({ theme, ui }: View): string {
  return theme.paint('strong', ` Task ${idOf(ui.at)}`);
}

function bodyOf(view: View): string[] {
  const page = pageFor(view);
  const { theme } = view;
  if (page?.value === undefined || page.value === null) {
    return [theme.paint(page?.error ? 'bad' : 'busy', ` ${page?.error ?? '◌ loading the task'}`)];
  }
  const task = { ...page.value, ...taskOf(view) };
  return taskLines(view, task, ownerOf(view.fleet, task));
}

function textOf(view: View): LongText {
  return {
    id: `task:${idOf(view.ui.at)}`,
    length: bodyOf(view).length,
    room: Math.max(1, view.size.rows - 2),
  };
}
