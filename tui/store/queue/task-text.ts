import type { TaskSummary } from '../../../shared/api/queue.ts';
import type { TaskStatus } from '../../../shared/task.ts';
import { longDuration, shortDuration, since } from '../text/format.ts';

/** The reason for the status of a task, in one line: `retry in 8 s · shop.sync: the shop answered 503`. */
export function taskReason(task: TaskSummary, now: number): string {
  const { status, last_error: error } = task;
  switch (status) {
    case 'pending':
      return join(waiting(task, now), error);
    case 'processing':
      return join(
        task.cancel_requested ? 'cancelling' : null,
        task.claimed_at === null ? null : `for ${shortDuration(since(task.claimed_at, now))}`,
        task.progress > 0 ? `${Math.round(task.progress)} %` : null,
        task.progress_message,
        task.attempts > 1 ? error : null,
      );
    case 'done':
      return '';
    case 'failed':
    case 'dead':
    case 'cancelled':
      return error ?? '';
  }
}

function waiting({ run_at: at, attempts }: TaskSummary, now: number): string {
  const due = at === null ? 0 : Date.parse(at) - now;
  const what = attempts > 0 ? 'retry' : 'runs';
  return due > 0 ? `${what} in ${longDuration(Math.max(1000, due))}` : 'waiting for a worker';
}

function join(...parts: readonly (string | null)[]): string {
  return parts.filter((part) => part !== null && part !== '').join(' · ');
}

export function attemptsText({ attempts, max_attempts: most }: TaskSummary): string {
  return `${attempts}/${most}`;
}

export const CAN_RETRY: ReadonlySet<TaskStatus> = new Set(['dead']);
export const CAN_CANCEL: ReadonlySet<TaskStatus> = new Set(['pending', 'processing']);
