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

/** A failed attempt, as stored with its task. */
export interface AttemptError {
  at: string;
  attempt: number;
  worker: string;
  started_at: string;
  name?: string;
  message: string;
  code?: string;
  stack?: string;
  /** The chain of causes, outermost first. */
  causes?: string[];
}

/** A task in lists and in the stream. Times are RFC 3339. */
export interface TaskSummary {
  id: string;
  type: string;
  user_id: string | null;
  status: TaskStatus;
  /** Tasks with a higher number run first. */
  priority: number;
  run_at: string | null;
  /** Number of attempts since the last manual retry. */
  attempts: number;
  max_attempts: number;
  timeout_s: number;
  unique_key: string | null;
  worker_id: string | null;
  claimed_at: string | null;
  progress: number;
  progress_message: string;
  cancel_requested: boolean;
  /** The error without the parts that differ between occurrences. Dead letters are grouped by it. */
  error_signature: string | null;
  /** The first line of the last error. */
  last_error: string | null;
  finished_at: string | null;
  created: string;
  updated: string;
}

/** A task with its payload, result and errors. */
export interface Task extends TaskSummary {
  /** Without the secret parts. */
  payload: unknown;
  /** Whether parts of the payload are secret. */
  secret: boolean;
  lease_expires_at: string | null;
  result: unknown;
  /** The response of the remote server to the last attempt, if the handler calls one. Only administrators see it. */
  answer: string | null;
  errors: AttemptError[] | null;
  /** Why the task may fail. Only in the response to the request that adds it. */
  warning?: string;
}

/** The state of the queue and the number of tasks by status. */
export interface QueueStats {
  paused: boolean;
  /** Maximum number of tasks that run at the same time, over all workers. */
  max_running: number;
  counts: TaskCounts;
}

/** Dead letters with the same error signature. */
export interface DeadGroup {
  signature: string;
  count: number;
  last: string;
}

/** A schedule adds the same task again and again, at the times of a cron expression. */
export interface Schedule {
  name: string;
  /** Five fields, or six with seconds first. */
  cron: string;
  /** Name from the IANA time zone database. */
  timezone: string;
  task: unknown;
  /** Null if it never runs again. */
  next_run_at: string | null;
  last_run_at: string | null;
  /** Why its tasks may fail. */
  warning?: string;
  /** Why the schedule does not run. */
  error?: string;
}

/** The payload is stored unencrypted, so it cannot contain secrets. */
export type ScheduledTask = Omit<NewTask, 'run_at' | 'secret'>;

/** The request to add or replace a schedule. */
export interface NewSchedule {
  cron: string;
  /** UTC by default. */
  timezone?: string | undefined;
  task: ScheduledTask;
}

/** The request to add a task to the queue. */
export interface NewTask {
  type: string;
  payload?: unknown;
  /** True: the whole payload is secret. False: only its property `secrets`. */
  secret?: boolean | undefined;
  user_id?: string | undefined;
  priority?: number | undefined;
  /** RFC 3339. Default: now. */
  run_at?: string | undefined;
  max_attempts?: number | undefined;
  timeout_s?: number | undefined;
  /** No second task with this key is added until the first one has finished. */
  unique_key?: string | undefined;
}
