import { z } from 'zod';
import { endpoint, noContent } from './contract/endpoint.ts';
import { EXAMPLE_TIME } from './contract/fields.ts';
import { pageOf, wholePageQuerySchema } from './contract/page.ts';
import { EXAMPLE_PAYLOAD, tag, taskFields } from './queue.ts';

const EXAMPLE_SCHEDULE = {
  cron: '0 2 * * *',
  timezone: 'UTC',
  task: { type: 'http.request', payload: EXAMPLE_PAYLOAD },
};

const EXAMPLE_FOR_ALL = {
  cron: '0 3 * * *',
  task: { type: 'database.vacuum' },
  all_databases: { spread_s: 3600 },
};

/** The payload is stored unencrypted, so it cannot contain secrets. */
export const scheduledTaskSchema = z.strictObject(taskFields);

export type ScheduledTask = z.input<typeof scheduledTaskSchema>;

/** The longest time between two matches that makes sense: a month. */
const MAX_SPREAD_S = 31 * 86_400;

export const allDatabasesSchema = z
  .strictObject({
    spread_s: z.int().min(0).max(MAX_SPREAD_S).default(3600).meta({
      description:
        'Seconds after each match in which the tasks are added. At most the time until the next match.',
    }),
  })
  .meta({ description: 'Adds a task for each database that is not stopped or archived.' });

export const newScheduleSchema = z
  .strictObject({
    cron: z.string().min(1).max(120),
    timezone: z.string().min(1).max(80).default('UTC'),
    task: scheduledTaskSchema,
    all_databases: allDatabasesSchema.optional(),
  })
  .meta({ id: 'NewSchedule', examples: [EXAMPLE_SCHEDULE, EXAMPLE_FOR_ALL] });

/** The request to add or replace a schedule. */
export type NewSchedule = z.output<typeof newScheduleSchema>;

/** A schedule adds the same task again and again, at the times of a cron expression. */
export const scheduleSchema = z
  .object({
    name: z.string(),
    /** Five fields, or six with seconds first. */
    cron: z.string(),
    /** Name from the IANA time zone database. */
    timezone: z.string(),
    task: z.unknown(),
    /** Null for a schedule that adds one task. */
    all_databases: allDatabasesSchema.nullable(),
    /** Null if it never runs again. */
    next_run_at: z.iso.datetime().nullable(),
    last_run_at: z.iso.datetime().nullable(),
    /** Why its tasks may fail. */
    warning: z.string().exactOptional(),
    /** Why the schedule does not run. */
    error: z.string().exactOptional(),
  })
  .meta({
    id: 'Schedule',
    examples: [
      {
        name: 'nightly',
        ...EXAMPLE_SCHEDULE,
        all_databases: null,
        next_run_at: EXAMPLE_TIME,
        last_run_at: null,
      },
    ],
  });

export type Schedule = z.infer<typeof scheduleSchema>;

const scheduleParams = z.object({
  name: z
    .string()
    .max(120)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'is not a name like nightly-report')
    .meta({ description: 'Name of a schedule.', examples: ['nightly'] }),
});

export const listSchedules = endpoint({
  operationId: 'listSchedules',
  method: 'GET',
  path: '/api/v1/queue/schedules',
  tag,
  summary: 'List schedules',
  description: 'Tasks that are added at the times of a cron expression.',
  permission: 'queue.stats',
  query: wholePageQuerySchema,
  responses: { 200: { description: 'One page of schedules.', schema: pageOf(scheduleSchema) } },
});

export const setSchedule = endpoint({
  operationId: 'setSchedule',
  method: 'PUT',
  path: '/api/v1/queue/schedules/{name}',
  tag,
  summary: 'Create or replace a schedule',
  description: 'Adds the task at each time of the cron expression, or one for each database.',
  permission: 'queue.pause',
  audit: 'schedule.set',
  params: scheduleParams,
  body: newScheduleSchema,
  responses: { 200: { description: 'The schedule.', schema: scheduleSchema } },
  errors: ['not_found'],
});

export const deleteSchedule = endpoint({
  operationId: 'deleteSchedule',
  method: 'DELETE',
  path: '/api/v1/queue/schedules/{name}',
  tag,
  summary: 'Delete a schedule',
  description: 'Tasks that it has added stay.',
  permission: 'queue.pause',
  audit: 'schedule.remove',
  params: scheduleParams,
  responses: noContent('The schedule is deleted.'),
  errors: ['not_found'],
});

/** Methods of `client.schedules`. */
export const schedules = {
  list: listSchedules,
  set: setSchedule,
  delete: deleteSchedule,
};
