/** States of a queue task and the moves between them; `dead` is the dead letter queue. */
export const TASK_STATUSES = ['pending', 'processing', 'done', 'failed', 'dead', 'cancelled'] as const;

export type TaskStatus = (typeof TASK_STATUSES)[number];

export const TASK_TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  pending: ['processing', 'cancelled'],
  // Back to pending is a retry, or a lease that ran out.
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

/** A failed attempt, as it is kept with its task. */
export interface AttemptError {
  at: string;
  attempt: number;
  worker: string;
  started_at: string;
  name?: string;
  message: string;
  code?: string;
  stack?: string;
  /** What led to it, the outermost first. */
  causes?: string[];
}

/** A task as lists and the stream tell it. Times are RFC 3339. */
export interface TaskSummary {
  id: string;
  type: string;
  user_id: string | null;
  status: TaskStatus;
  /** Higher first. */
  priority: number;
  run_at: string | null;
  /** Since the last retry by hand. */
  attempts: number;
  max_attempts: number;
  timeout_s: number;
  unique_key: string | null;
  worker_id: string | null;
  claimed_at: string | null;
  progress: number;
  progress_message: string;
  cancel_requested: boolean;
  /** What differs from one occurrence to the next is left out: dead letters are grouped by it. */
  error_signature: string | null;
  /** The first line of what the last failed attempt said. */
  last_error: string | null;
  finished_at: string | null;
  created: string;
  updated: string;
}

/** A task with what it was given and what came of it. */
export interface Task extends TaskSummary {
  /** Without what is secret of it. */
  payload: unknown;
  /** Whether something of the payload is secret. */
  secret: boolean;
  lease_expires_at: string | null;
  result: unknown;
  /** What the other side answered to the last attempt of a handler that connects to one; only administrators see it. */
  answer: string | null;
  errors: AttemptError[] | null;
  /** Said to whoever adds it: why it may come to nothing. */
  warning?: string;
}

/** The queue at a glance. */
export interface QueueStats {
  paused: boolean;
  /** Tasks that may run at once, over all workers. */
  max_running: number;
  counts: TaskCounts;
}

/** Dead letters of one kind of error. */
export interface DeadGroup {
  signature: string;
  count: number;
  last: string;
}

/** A task that is added again and again. */
export interface Schedule {
  name: string;
  /** Five fields, or six with seconds first. */
  cron: string;
  /** As in the IANA database. */
  timezone: string;
  task: unknown;
  /** Null when it never runs again. */
  next_run_at: string | null;
  last_run_at: string | null;
  /** Why its tasks may come to nothing. */
  warning?: string;
  /** Why it does not run. */
  error?: string;
}

/** Its payload is kept as it is, so it cannot hold secrets. */
export type ScheduledTask = Omit<NewTask, 'run_at' | 'secret'>;

/** What it takes to add or replace a schedule. */
export interface NewSchedule {
  cron: string;
  /** UTC by default. */
  timezone?: string | undefined;
  task: ScheduledTask;
}

/** What it takes to enqueue a task. */
export interface NewTask {
  type: string;
  payload?: unknown;
  /** The whole payload is secret; otherwise its member `secrets` alone. */
  secret?: boolean | undefined;
  user_id?: string | undefined;
  priority?: number | undefined;
  /** RFC 3339; now by default. */
  run_at?: string | undefined;
  max_attempts?: number | undefined;
  timeout_s?: number | undefined;
  /** While a task with this key is not finished, no second one is made. */
  unique_key?: string | undefined;
}
