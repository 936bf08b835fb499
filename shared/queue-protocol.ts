import { z } from 'zod';
import { type QueueStats, type Schedule, TASK_STATUSES, type Task, type TaskSummary } from './task.ts';

const time = z.iso.datetime();
/** The name of a handler: built in, or a file of the administrator's. */
const taskType = z
  .string()
  .max(120)
  .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, "is not the name of a handler like 'report.weekly'");

const base = {
  type: taskType,
  payload: z.unknown().optional(),
  user_id: z
    .string()
    .regex(/^[a-z0-9]{15}$/, 'is not the id of a user')
    .optional(),
  priority: z.int().min(-1_000_000).max(1_000_000).optional(),
  max_attempts: z.int().min(1).max(100).optional(),
  timeout_s: z.int().min(1).max(86_400).optional(),
  unique_key: z.string().min(1).max(255).optional(),
};

export const newTaskSchema = z.strictObject({
  ...base,
  run_at: z.iso.datetime({ offset: true }).optional(),
  /** The whole payload is secret; its member `secrets` always is. */
  secret: z.boolean().optional(),
});

export const newScheduleSchema = z.strictObject({
  cron: z.string().min(1).max(120),
  timezone: z.string().min(1).max(80).default('UTC'),
  task: z.strictObject(base),
});

const summary = {
  id: z.string(),
  type: z.string(),
  user_id: z.string().nullable(),
  status: z.enum(TASK_STATUSES),
  priority: z.int(),
  run_at: time.nullable(),
  attempts: z.int(),
  max_attempts: z.int(),
  timeout_s: z.int(),
  unique_key: z.string().nullable(),
  worker_id: z.string().nullable(),
  claimed_at: time.nullable(),
  progress: z.number(),
  progress_message: z.string(),
  cancel_requested: z.boolean(),
  error_signature: z.string().nullable(),
  last_error: z.string().nullable(),
  finished_at: time.nullable(),
  created: time,
  updated: time,
};

export const taskSummarySchema: z.ZodType<TaskSummary> = z.object(summary).meta({ id: 'TaskSummary' });

export const taskSchema: z.ZodType<Task> = z
  .object({
    ...summary,
    payload: z.unknown(),
    secret: z.boolean(),
    lease_expires_at: time.nullable(),
    result: z.unknown(),
    errors: z
      .array(
        z.object({
          at: z.string(),
          attempt: z.int(),
          worker: z.string(),
          started_at: z.string(),
          name: z.string().exactOptional(),
          message: z.string(),
          code: z.string().exactOptional(),
          stack: z.string().exactOptional(),
        }),
      )
      .nullable(),
    warning: z.string().exactOptional(),
  })
  .meta({ id: 'Task' });

export const queueStatsSchema: z.ZodType<QueueStats> = z
  .object({
    paused: z.boolean(),
    max_running: z.int(),
    counts: z.record(z.enum(TASK_STATUSES), z.int()),
  })
  .meta({ id: 'QueueStats' });

export const scheduleSchema: z.ZodType<Schedule> = z
  .object({
    name: z.string(),
    cron: z.string(),
    timezone: z.string(),
    task: z.unknown(),
    next_run_at: time,
    last_run_at: time.nullable(),
    warning: z.string().exactOptional(),
  })
  .meta({ id: 'Schedule' });

export const deadGroupSchema = z
  .object({ signature: z.string(), count: z.int(), last: time })
  .meta({ id: 'DeadGroup' });
