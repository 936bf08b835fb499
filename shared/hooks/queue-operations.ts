import type { DeadGroup, Task, TaskSummary } from '../api/queue.ts';
import type { Schedule } from '../api/schedules.ts';
import type { TaskStatus } from '../task.ts';

/** A task as the claim hands it to a worker. */
export interface ClaimedTask {
  id: string;
  type: string;
  payload: unknown;
  /** The secret parts of the payload, in an envelope; null without secret parts. */
  sealed: string | null;
  /** Counts from 1. */
  attempt: number;
  max_attempts: number;
  timeout_s: number;
  /** A schedule over all databases has added it. */
  for_all: boolean;
  /** Of the lease. It grows with every claim, so an older holder of the task is recognized. */
  epoch: number;
  claimed_at: string;
  created: string;
  user: { id: string; email: string; name: string } | null;
}

/** How an attempt ended. `error` is the JSON text of an `AttemptError`, `result` the JSON text of the result. */
export type Outcome =
  | { kind: 'done'; result: string; answer?: string }
  | { kind: 'retry'; error: string; signature: string; answer?: string; delay_ms: number }
  | { kind: 'dead'; error: string; signature: string; answer?: string }
  | { kind: 'cancelled' }
  /** The attempt did not begin, or the worker stops. It does not count as an attempt. */
  | { kind: 'returned' };

/** A row for `enqueue`. */
export interface NewTaskRow {
  id: string;
  type: string;
  /** JSON text without the secret parts. */
  payload: string;
  /** The secret parts, in an envelope. */
  sealed?: string | null;
  user_id?: string | undefined;
  priority: number;
  /** In PocketBase's form; without it the task is due at once. */
  run_at?: string;
  max_attempts: number;
  timeout_s: number;
  unique_key?: string | undefined;
  /** The owner of the database has added the task. */
  by_owner?: boolean;
}

/** Fields of every request that can claim a task. */
interface WorkerRequest {
  worker: string;
  lease_ms: number;
  /** After a lost response: the leases that the worker knows, as `id:epoch`. All its other tasks become pending. */
  held?: string[];
}

export interface ClaimRequest extends WorkerRequest {
  /** Whether to look for expired leases first. */
  rescue?: boolean;
}

export interface SettleRequest extends WorkerRequest {
  id: string;
  epoch: number;
  outcome: Outcome;
  /** Whether to claim the next task. */
  claim: boolean;
}

export interface AddAndClaimRequest extends WorkerRequest {
  row: NewTaskRow;
}

export interface ClaimAnswer {
  task: ClaimedTask | null;
  /** Milliseconds until the next task is due, null when no task is scheduled. */
  due_in_ms: number | null;
}

export interface SettleAnswer extends ClaimAnswer {
  /** False when the lease was lost. The outcome is not stored then. */
  accepted: boolean;
}

/** The new task, or the unfinished task with the same key. `task` is null for an unknown user. */
export interface AddedTask {
  created: boolean;
  task: Task | null;
}

export interface AddAnswer extends ClaimAnswer {
  added: AddedTask;
}

export interface Lease {
  id: string;
  epoch: number;
  /** Percent; null leaves it as it is. */
  progress: number | null;
  message: string | null;
}

export interface ListRequest {
  page: number;
  per_page: number;
  /** A column, descending with a leading '-'. */
  sort: string;
  /** Whether to return whole tasks instead of summaries. */
  full?: boolean;
  status?: string | undefined;
  type?: string | undefined;
  user_id?: string | undefined;
  signature?: string | undefined;
}

/** Without the statuses that no task has. */
export interface StoredStats {
  paused: boolean;
  max_running: number;
  counts: Partial<Record<TaskStatus, number>>;
  /** Time of the database. */
  now: string;
}

export interface ScheduleRow {
  id: string;
  name: string;
  cron: string;
  timezone: string;
  /** JSON text. */
  task: string;
  /** JSON text; null for a schedule with one task. */
  all_databases: string | null;
  user?: string | undefined;
  next_run_at: string;
}

export interface RescheduleRequest {
  name: string;
  /** The stored time of the next run; otherwise another process was faster. */
  expected: string;
  next: string;
}

export interface FireAllRequest extends RescheduleRequest {
  /** Without what differs between the databases. */
  task: Pick<NewTaskRow, 'type' | 'payload' | 'priority' | 'max_attempts' | 'timeout_s'>;
  /** Those that get a task now. `id` is that of the task. */
  databases: { id: string; user_id: string; unique_key: string }[];
}

export interface FireRequest {
  name: string;
  expected: string;
  /** Empty: the schedule has no further run. */
  next: string;
  task: NewTaskRow;
}

/**
 * Operations of the queue at the global PocketBase: `POST /api/fathom/queue/{operation}`. The daemon and the workers call
 * them; `pb_hooks/global/queue/` implements them.
 */
export interface QueueOperations {
  claim: { request: ClaimRequest; response: ClaimAnswer };
  settle: { request: SettleRequest; response: SettleAnswer };
  'add-and-claim': { request: AddAndClaimRequest; response: AddAnswer };
  heartbeat: {
    request: { worker: string; lease_ms: number; leases: Lease[] };
    response: { lost: string[]; cancelled: string[] };
  };
  enqueue: { request: NewTaskRow; response: AddedTask };
  get: { request: { id: string }; response: { task: Task | null } };
  list: { request: ListRequest; response: { items: (Task | TaskSummary)[]; total: number } };
  changes: { request: { since: string; limit: number }; response: { items: TaskSummary[] } };
  stats: { request: Record<string, never>; response: StoredStats };
  configure: {
    request: { paused?: boolean; max_running?: number; event_webhooks?: boolean };
    response: StoredStats;
  };
  'count-owned': {
    request: { user_id: string; type: string; per_hour: number };
    /** `free_in_ms`: null when the owner can add another one now. */
    response: { waiting: number; free_in_ms: number | null };
  };
  cancel: {
    /** `owner`: only a task that this user has added. */
    request: { id: string; owner?: string | undefined };
    response: { changed: boolean; task: Task | null };
  };
  retry: { request: { id: string } | { signature: string }; response: { ids: string[] } };
  dead: { request: { page: number; per_page: number }; response: { items: DeadGroup[]; total: number } };
  prune: {
    request: { finished_days: number; dead_days: number; limit: number };
    response: { removed: number };
  };
  schedules: { request: Record<string, never>; response: { items: Schedule[] } };
  schedule: { request: ScheduleRow; response: { item: Schedule | null } };
  unschedule: { request: { name: string }; response: { removed: boolean } };
  reschedule: { request: RescheduleRequest; response: { moved: boolean } };
  'fire-all': { request: FireAllRequest; response: { added: number } };
  fire: { request: FireRequest; response: AddedTask & { fired: boolean } };
}
