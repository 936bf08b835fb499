/** The states of a queue task. `dead`: the task is in the dead letter queue. */
export const TASK_STATUSES = ['pending', 'processing', 'done', 'failed', 'dead', 'cancelled'] as const;

export type TaskStatus = (typeof TASK_STATUSES)[number];

export const TASK_TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  pending: ['processing', 'cancelled'],
  // Back to pending: a retry, or an expired lease.
  processing: ['done', 'pending', 'failed', 'cancelled'],
  failed: ['dead'],
  dead: ['pending'],
  done: [],
  cancelled: [],
};

export type TaskCounts = Record<TaskStatus, number>;

export const NO_TASKS: Readonly<TaskCounts> = {
  pending: 0,
  processing: 0,
  done: 0,
  failed: 0,
  dead: 0,
  cancelled: 0,
};
