import { z } from 'zod';
import { pageOf, pageQuerySchema, wholePageQuerySchema } from '../protocol.ts';
import {
  deadGroupSchema,
  newScheduleSchema,
  newTaskSchema,
  queueStatsSchema,
  scheduleSchema,
  taskSchema,
  taskSummarySchema,
} from '../queue-protocol.ts';
import { TASK_STATUSES } from '../task.ts';
import { endpoint, noContent } from './endpoint.ts';
import { EXAMPLE_ID, idParams } from './fields.ts';

const tag = 'Queue';
const params = idParams('a task');
/** Longer than the daemon waits for the global PocketBase: a client that times out first would not know of its task. */
const ADD_TIMEOUT_MS = 30_000;
const SORTS = ['created', 'updated', 'run_at', 'priority', 'finished_at'] as const;

export const createTask = endpoint({
  operationId: 'createTask',
  method: 'POST',
  path: '/api/v1/queue/tasks',
  tag,
  summary: 'Add a task',
  description: 'With a `unique_key`, an unfinished task of that key is the answer instead of a second one.',
  permission: 'queue.create',
  audit: 'task.create',
  body: newTaskSchema,
  responses: {
    201: { description: 'The task was added.', schema: taskSchema },
    200: { description: 'An unfinished task has the key already.', schema: taskSchema },
  },
  errors: ['not_found'],
  timeoutMs: ADD_TIMEOUT_MS,
});

export const listTasks = endpoint({
  operationId: 'listTasks',
  method: 'GET',
  path: '/api/v1/queue/tasks',
  tag,
  summary: 'List tasks',
  description: 'Users get their own tasks.',
  permission: 'queue.read',
  query: pageQuerySchema.extend({
    sort: z
      .enum([...SORTS, ...SORTS.map((name) => `-${name}` as const)])
      .default('-created')
      .meta({ description: 'Field to sort by; `-field` is descending.' }),
    status: z.enum(TASK_STATUSES).optional(),
    type: z.string().max(120).optional(),
    user_id: z.string().max(15).optional(),
    signature: z.string().max(300).optional().meta({ description: 'Kind of error, as in the dead letters.' }),
  }),
  responses: { 200: { description: 'One page of tasks.', schema: pageOf(taskSummarySchema) } },
});

export const getTask = endpoint({
  operationId: 'getTask',
  method: 'GET',
  path: '/api/v1/queue/tasks/{id}',
  tag,
  summary: 'Show a task',
  description: 'With payload, result and errors. Users may read their own tasks.',
  permission: 'queue.read',
  params,
  responses: { 200: { description: 'The task.', schema: taskSchema } },
  errors: ['not_found'],
});

const changed = { 200: { description: 'The task after the operation.', schema: taskSchema } };

export const retryTask = endpoint({
  operationId: 'retryTask',
  method: 'POST',
  path: '/api/v1/queue/tasks/{id}/retry',
  tag,
  summary: 'Retry a dead task',
  description: 'Takes it from the dead letters back to the queue.',
  permission: 'queue.operate',
  audit: 'task.retry',
  params,
  responses: changed,
  errors: ['not_found', 'conflict'],
});

export const cancelTask = endpoint({
  operationId: 'cancelTask',
  method: 'POST',
  path: '/api/v1/queue/tasks/{id}/cancel',
  tag,
  summary: 'Cancel a task',
  description: 'A running task is stopped first.',
  permission: 'queue.operate',
  audit: 'task.cancel',
  params,
  responses: changed,
  errors: ['not_found', 'conflict'],
});

const stats = { 200: { description: 'Tasks by status.', schema: queueStatsSchema } };

export const getQueueStats = endpoint({
  operationId: 'getQueueStats',
  method: 'GET',
  path: '/api/v1/queue/stats',
  tag,
  summary: 'Show the state of the queue',
  description: 'Number of tasks by status, and whether the queue is paused.',
  permission: 'queue.stats',
  responses: stats,
});

export const pauseQueue = endpoint({
  operationId: 'pauseQueue',
  method: 'POST',
  path: '/api/v1/queue/pause',
  tag,
  summary: 'Pause the queue',
  description: 'No task begins until the queue is resumed, also after a restart of the daemon.',
  permission: 'queue.pause',
  audit: 'queue.pause',
  responses: stats,
});

export const resumeQueue = endpoint({
  operationId: 'resumeQueue',
  method: 'POST',
  path: '/api/v1/queue/resume',
  tag,
  summary: 'Resume the queue',
  description: 'Tasks that are due begin at once.',
  permission: 'queue.pause',
  audit: 'queue.resume',
  responses: stats,
});

export const listDeadLetters = endpoint({
  operationId: 'listDeadLetters',
  method: 'GET',
  path: '/api/v1/queue/dead',
  tag,
  summary: 'List the dead letters by error',
  description: 'One item for each kind of error.',
  permission: 'queue.stats',
  query: wholePageQuerySchema,
  responses: { 200: { description: 'One page of kinds of errors.', schema: pageOf(deadGroupSchema) } },
});

export const retryDeadLetters = endpoint({
  operationId: 'retryDeadLetters',
  method: 'POST',
  path: '/api/v1/queue/dead/retry',
  tag,
  summary: 'Retry all dead letters of one error',
  description: 'Takes the tasks of a `signature` back to the queue.',
  permission: 'queue.operate',
  audit: 'tasks.retry',
  body: z
    .strictObject({ signature: z.string().min(1).max(300) })
    .meta({ id: 'DeadLetterSelection', examples: [{ signature: 'http.request: connect ECONNREFUSED' }] }),
  responses: {
    200: {
      description: 'Ids of the tasks.',
      schema: z
        .object({ ids: z.array(z.string()) })
        .meta({ id: 'RetriedTasks', examples: [{ ids: [EXAMPLE_ID] }] }),
    },
  },
});

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
  description: 'Tasks that are added again and again.',
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
  description: 'Adds the task at each time of the cron expression.',
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
  description: 'Tasks that it added stay.',
  permission: 'queue.pause',
  audit: 'schedule.remove',
  params: scheduleParams,
  responses: noContent('The schedule is deleted.'),
  errors: ['not_found'],
});

/** Methods of `client.queue`. */
export const queue = {
  add: createTask,
  list: listTasks,
  get: getTask,
  retry: retryTask,
  cancel: cancelTask,
  stats: getQueueStats,
  pause: pauseQueue,
  resume: resumeQueue,
  dead: listDeadLetters,
  retryDead: retryDeadLetters,
  schedules: listSchedules,
  setSchedule,
  removeSchedule: deleteSchedule,
};
