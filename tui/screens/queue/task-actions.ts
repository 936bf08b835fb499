import type { Instance } from '../../../shared/api/instances.ts';
import type { TaskSummary } from '../../../shared/api/queue.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import type { Command } from '../../keys/commands.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { type FleetState, instanceOfUser } from '../../store/fleet/fleet-state.ts';
import { CAN_CANCEL, CAN_RETRY, taskReason } from '../../store/queue/task-text.ts';
import { type Console, type ConsoleState, showNotice } from '../console.ts';
import { openSpot } from '../input/navigate.ts';
import { startAction } from '../input/start-action.ts';

/** The instance of the user to whom a task belongs. */
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
    [COPY_KEYS.id, 'the id', task.id],
    [COPY_KEYS.error, 'the error', task.last_error],
    [COPY_KEYS.reason, 'the reason', why],
    [COPY_KEYS.owner, 'the owner', owner?.email],
    [COPY_KEYS.database, 'the database', owner?.name],
    [COPY_KEYS.row, 'the row', rowText([task.id, task.type, task.status, owner?.email, why])],
    [COPY_KEYS.json, 'all fields as JSON', JSON.stringify(task, null, 2)],
  );
}

const TASK_COMMANDS = {
  'task.retry': { verb: 'retry', can: CAN_RETRY, hint: 'Only dead tasks can be retried.' },
  'task.cancel': {
    verb: 'cancel',
    can: CAN_CANCEL,
    hint: 'Only pending or processing tasks can be cancelled.',
  },
} as const;

export function actOnTasks(
  console: Console,
  command: keyof typeof TASK_COMMANDS,
  tasks: readonly TaskSummary[],
): void {
  const { verb, can, hint } = TASK_COMMANDS[command];
  const names = tasks.filter(({ status }) => can.has(status)).map(({ id }) => id);
  const [only] = tasks;
  if (names.length === 0) return showNotice(console, only === undefined ? 'No task is selected.' : hint);
  const what = names.length === 1 && only !== undefined ? `task ${only.type} (${only.id})` : undefined;
  startAction(console, { verb, names, ...(what === undefined ? {} : { what }) });
}

export function togglePause(console: Console): void {
  const stats = console.fleet.store.get().queue?.stats ?? null;
  if (stats === null) return showNotice(console, 'The queue is not known yet.');
  startAction(console, { verb: stats.paused ? 'resume' : 'pause', names: ['queue'], what: 'the queue' });
}

/** Opens the instance of a task, or its log at the time of the task. @returns false for other commands */
export function runTaskCommand(console: Console, command: Command, task: TaskSummary | undefined): boolean {
  if (command !== 'task.instance' && command !== 'logs') return false;
  const owner = ownerOf(console.fleet.store.get(), task);
  if (owner === null) {
    showNotice(
      console,
      task === undefined ? 'No task is selected.' : 'This task belongs to no user with a database.',
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

/** The time of the last work on a task. */
function momentOf({ finished_at, claimed_at, updated }: TaskSummary): string {
  return finished_at ?? claimed_at ?? updated;
}
