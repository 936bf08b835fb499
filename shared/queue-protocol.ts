import { z } from 'zod';
import { countsBy, EXAMPLE_ID, EXAMPLE_TIME } from './api/fields.ts';
import { isDeeperThan, MAX_JSON_DEPTH } from './json-depth.ts';
import { RECORD_ID } from './record-id.ts';
import { type QueueStats, type Schedule, TASK_STATUSES, type Task, type TaskSummary } from './task.ts';

const time = z.iso.datetime();
/** Name of a handler: built in, or a file that the administrator added. */
const taskType = z
  .string()
  .max(120)
  .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, "is not the name of a handler like 'report.weekly'");

function toUtc(given: string): string {
  const ms = Date.parse(given);
  return Number.isNaN(ms) ? '' : new Date(ms).toISOString();
}

const EXAMPLE_PAYLOAD = { url: 'https://hooks.example.com/report' };

const base = {
  type: taskType,
  payload: z
    .unknown()
    .optional()
    .refine((payload) => !isDeeperThan(payload, MAX_JSON_DEPTH), {
      error: `is nested more than ${MAX_JSON_DEPTH} deep`,
    }),
  user_id: z.string().regex(RECORD_ID, 'is not the id of a user').optional(),
  priority: z.int().min(-1_000_000).max(1_000_000).optional(),
  max_attempts: z.int().min(1).max(100).optional(),
  timeout_s: z.int().min(1).max(86_400).optional(),
  unique_key: z.string().min(1).max(255).optional(),
};

export const newTaskSchema = z
  .strictObject({
    ...base,
    run_at: z.iso
      .datetime({ offset: true })
      .refine((given) => /^\d{4}-/.test(toUtc(given)), { error: 'is not in the years 0000 to 9999 in UTC' })
      .optional(),
    /** True: the whole payload is secret. The property `secrets` of a payload is always secret. */
    secret: z.boolean().optional(),
  })
  .meta({ id: 'NewTask', examples: [{ type: 'http.request', payload: EXAMPLE_PAYLOAD }] });

const EXAMPLE_SCHEDULE = {
  cron: '0 2 * * *',
  timezone: 'UTC',
  task: { type: 'http.request', payload: EXAMPLE_PAYLOAD },
};

export const scheduledTaskSchema = z.strictObject(base);

export const newScheduleSchema = z
  .strictObject({
    cron: z.string().min(1).max(120),
    timezone: z.string().min(1).max(80).default('UTC'),
    task: scheduledTaskSchema,
  })
  .meta({ id: 'NewSchedule', examples: [EXAMPLE_SCHEDULE] });

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

const EXAMPLE_SUMMARY = {
  id: EXAMPLE_ID,
  type: 'http.request',
  user_id: null,
  status: 'done',
  priority: 0,
  run_at: EXAMPLE_TIME,
  attempts: 1,
  max_attempts: 5,
  timeout_s: 60,
  unique_key: null,
  worker_id: 'fathomd-4711',
  claimed_at: EXAMPLE_TIME,
  progress: 1,
  progress_message: '',
  cancel_requested: false,
  error_signature: null,
  last_error: null,
  finished_at: EXAMPLE_TIME,
  created: EXAMPLE_TIME,
  updated: EXAMPLE_TIME,
};

export const taskSummarySchema: z.ZodType<TaskSummary> = z
  .object(summary)
  .meta({ id: 'TaskSummary', examples: [EXAMPLE_SUMMARY] });

export const taskSchema: z.ZodType<Task> = z
  .object({
    ...summary,
    payload: z.unknown(),
    secret: z.boolean(),
    lease_expires_at: time.nullable(),
    result: z.unknown(),
    answer: z.string().nullable(),
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
          causes: z.array(z.string()).exactOptional(),
        }),
      )
      .nullable(),
    warning: z.string().exactOptional(),
  })
  .meta({
    id: 'Task',
    examples: [
      {
        ...EXAMPLE_SUMMARY,
        payload: EXAMPLE_PAYLOAD,
        secret: false,
        lease_expires_at: null,
        result: { status: 200 },
        answer: 'ok',
        errors: null,
      },
    ],
  });

export const queueStatsSchema: z.ZodType<QueueStats> = z
  .object({
    paused: z.boolean(),
    max_running: z.int(),
    counts: countsBy(TASK_STATUSES),
  })
  .meta({
    id: 'QueueStats',
    examples: [
      {
        paused: false,
        max_running: 1,
        counts: { pending: 2, processing: 1, done: 40, failed: 0, dead: 1, cancelled: 0 },
      },
    ],
  });

export const scheduleSchema: z.ZodType<Schedule> = z
  .object({
    name: z.string(),
    cron: z.string(),
    timezone: z.string(),
    task: z.unknown(),
    next_run_at: time.nullable(),
    last_run_at: time.nullable(),
    warning: z.string().exactOptional(),
    error: z.string().exactOptional(),
  })
  .meta({
    id: 'Schedule',
    examples: [
      {
        name: 'nightly',
        ...EXAMPLE_SCHEDULE,
        next_run_at: EXAMPLE_TIME,
        last_run_at: null,
      },
    ],
  });

export const deadGroupSchema = z.object({ signature: z.string(), count: z.int(), last: time }).meta({
  id: 'DeadGroup',
  examples: [{ signature: 'http.request: connect ECONNREFUSED', count: 3, last: EXAMPLE_TIME }],
});
