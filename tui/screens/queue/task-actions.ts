import type { Instance } from '../../../shared/api/instances.ts';
import type { TaskSummary } from '../../../shared/api/queue.ts';
import type { Command } from '../../keys/commands.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { type FleetState, instanceOfUser } from '../../store/fleet/fleet-state.ts';
import { CAN_CANCEL, CAN_RETRY, taskReason } from '../../store/queue/task-text.ts';
import { type Console, type ConsoleState, showNotice } from '../console.ts';
import { openSpot } from '../input/navigate.ts';
import { startAction } from '../input/start-action.ts';

/** The instance of the user for whom a task works. */
export function ownerOf(
  { instances }: Pick<FleetState, 'instances'>,
  task: Pick<TaskSummary, 'user_id'> | undefined,
): Instance | null {
  return instanceOfUser(instances, task?.user_id ?? null);
}

export function taskCopies({ fleet }: ConsoleState, task: TaskSummary | undefined): CopyChoice[] {
  if (task === undefined) return [];
  const owner = ownerOf(fleet, task);
  const why = taskReason(task, fleet.now);
  return copyChoices(
    ['n', 'the id', task.id],
    ['e', 'the error', task.last_error],
    ['w', 'the reason', why],
    ['o', 'the owner', owner?.email],
    ['d', 'the database', owner?.name],
    ['r', 'the row', rowText([task.id, task.type, task.status, owner?.email, why])],
    ['v', 'all of it, as JSON', JSON.stringify(task, null, 2)],
  );
}

const POSSIBLE = {
  'task.retry': { verb: 'retry', can: CAN_RETRY, hint: 'Only dead tasks can be retried.' },
  'task.cancel': {
    verb: 'cancel',
    can: CAN_CANCEL,
    hint: 'Only tasks that wait or run can be cancelled.',
  },
} as const;

export function actOnTasks(
  console: Console,
  command: keyof typeof POSSIBLE,
  tasks: readonly TaskSummary[],
): void {
  const { verb, can, hint } = POSSIBLE[command];
  const names = tasks.filter(({ status }) => can.has(status)).map(({ id }) => id);
  const [only] = tasks;
  if (names.length === 0)
    return showNotice(console, only === undefined ? 'There is no task to act on.' : hint);
  const what = names.length === 1 && only !== undefined ? `task ${only.type} (${only.id})` : undefined;
  startAction(console, { verb, names, ...(what === undefined ? {} : { what }) });
}

export function togglePause(console: Console): void {
  const stats = console.fleet.store.get().queue?.stats ?? null;
  if (stats === null) return showNotice(console, 'The queue is not known yet.');
  startAction(console, { verb: stats.paused ? 'resume' : 'pause', names: ['queue'], what: 'the queue' });
}

/** From a task to its instance, and to its log at that moment; false for all other commands. */
export function runTaskCommand(console: Console, command: Command, task: TaskSummary | undefined): boolean {
  if (command !== 'task.instance' && command !== 'logs') return false;
  const owner = ownerOf(console.fleet.store.get(), task);
  if (owner === null) {
    showNotice(
      console,
      task === undefined ? 'There is no task.' : 'This task works for nobody in particular.',
    );
    return true;
  }
  const { name } = owner;
  const moment = task === undefined ? undefined : momentOf(task);
  if (command === 'task.instance') openSpot(console, { screen: 'instance', name, tab: 'summary' });
  else
    openSpot(console, { screen: 'instance', name, tab: 'logs', ...(moment === undefined ? {} : { moment }) });
  return true;
}

/** When it was last worked on. */
function momentOf({ finished_at, claimed_at, updated }: TaskSummary): string {
  return finished_at ?? claimed_at ?? updated;
}
