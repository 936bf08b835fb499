import type { TaskSummary } from '../../shared/api/queue.ts';
import type { TaskStatus } from '../../shared/task.ts';

const STATES: Readonly<Record<TaskStatus, string>> = {
  pending: 'Waiting',
  processing: 'Running',
  done: 'Done',
  failed: 'Failed',
  dead: 'Failed for good',
  cancelled: 'Cancelled',
};

const BAD: ReadonlySet<TaskStatus> = new Set(['failed', 'dead']);

export interface TaskText {
  state: string;
  tone: 'good' | 'trouble' | '';
  attempts: string;
}

/** Explains the state of a task to the user that it belongs to. */
export function explainTask({
  status,
  attempts,
  max_attempts: most,
  cancel_requested: isCancelled,
}: Pick<TaskSummary, 'status' | 'attempts' | 'max_attempts' | 'cancel_requested'>): TaskText {
  const isEnding = status === 'processing' && isCancelled;
  const isRetry = status === 'pending' && attempts > 0;
  return {
    state: isEnding ? 'Being cancelled' : isRetry ? 'Waiting for another attempt' : STATES[status],
    tone: status === 'done' ? 'good' : BAD.has(status) || isRetry ? 'trouble' : '',
    attempts: attempts === 0 ? 'not tried yet' : `attempt ${attempts} of ${most}`,
  };
}
