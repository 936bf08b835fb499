import { z } from 'zod';
import { isDeeperThan, MAX_JSON_DEPTH } from '../json-depth.ts';
import { RECORD_ID } from '../record-id.ts';
import { TASK_STATUSES } from '../task.ts';
import { endpoint } from './contract/endpoint.ts';
import { countsBy, EXAMPLE_ID, EXAMPLE_TIME, idParams } from './contract/fields.ts';
import { pageOf, pageQuerySchema, wholePageQuerySchema } from './contract/page.ts';

export const tag = { name: 'Queue', description: 'Tasks, dead letters and schedules.' };
const params = idParams('a task');
/** Longer than the daemon waits for the global PocketBase: a client that times out first would not know of its task. */
const ADD_TIMEOUT_MS = 30_000;
const SORTS = ['created', 'updated', 'run_at', 'priority', 'finished_at'] as const;

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

export const EXAMPLE_PAYLOAD = { url: 'https://hooks.example.com/report' };

/** Fields of a new task and of the task of a schedule. */
export const taskFields = {
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
  /** No second task with this key is added until the first one has finished. */
  unique_key: z.string().min(1).max(255).optional(),
};

export const newTaskSchema = z
  .strictObject({
    ...taskFields,
    run_at: z.iso
      .datetime({ offset: true })
      .refine((given) => /^\d{4}-/.test(toUtc(given)), { error: 'is not in the years 0000 to 9999 in UTC' })
      .optional(),
    /** True: the whole payload is secret. The property `secrets` of a payload is always secret. */
    secret: z.boolean().optional(),
  })
  .meta({ id: 'NewTask', examples: [{ type: 'http.request', payload: EXAMPLE_PAYLOAD }] });

/** The request to add a task to the queue. */
export type NewTask = z.input<typeof newTaskSchema>;

const summary = {
  id: z.string(),
  type: z.string(),
  user_id: z.string().nullable(),
  status: z.enum(TASK_STATUSES),
  /** Tasks with a higher number run first. */
  priority: z.int(),
  run_at: time.nullable(),
  /** Number of attempts since the last manual retry. */
  attempts: z.int(),
  max_attempts: z.int(),
  timeout_s: z.int(),
  unique_key: z.string().nullable(),
  worker_id: z.string().nullable(),
  claimed_at: time.nullable(),
  progress: z.number(),
  progress_message: z.string(),
  cancel_requested: z.boolean(),
  /** The owner of the database has added it, and can cancel it. */
  by_owner: z.boolean(),
  /** The error without the parts that differ between occurrences. Dead letters are grouped by it. */
  error_signature: z.string().nullable(),
  /** The first line of the last error. */
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
  by_owner: false,
  error_signature: null,
  last_error: null,
  finished_at: EXAMPLE_TIME,
  created: EXAMPLE_TIME,
  updated: EXAMPLE_TIME,
};

/** A task in lists and in the stream. */
export const taskSummarySchema = z.object(summary).meta({ id: 'TaskSummary', examples: [EXAMPLE_SUMMARY] });

export type TaskSummary = z.infer<typeof taskSummarySchema>;

/** A task with its payload, result and errors. */
export const taskSchema = z
  .object({
    ...summary,
    /** Without the secret parts. */
    payload: z.unknown(),
    /** Whether parts of the payload are secret. */
    secret: z.boolean(),
    lease_expires_at: time.nullable(),
    result: z.unknown(),
    /** The response of the remote server to the last attempt, if the handler calls one. Only administrators see it. */
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
          /** The chain of causes, outermost first. */
          causes: z.array(z.string()).exactOptional(),
        }),
      )
      .nullable(),
    /** Why the task may fail. Only in the response to the request that adds it. */
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

export type Task = z.infer<typeof taskSchema>;
export type AttemptError = NonNullable<Task['errors']>[number];

/** The number of tasks in each status. */
export const taskCountsSchema = countsBy(TASK_STATUSES);

export const queueStatsSchema = z
  .object({
    paused: z.boolean(),
    /** Maximum number of tasks that run at the same time, over all workers. */
    max_running: z.int(),
    counts: taskCountsSchema,
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

export type QueueStats = z.infer<typeof queueStatsSchema>;

/** Dead letters with the same error signature. */
export const deadGroupSchema = z.object({ signature: z.string(), count: z.int(), last: time }).meta({
  id: 'DeadGroup',
  examples: [{ signature: 'http.request: connect ECONNREFUSED', count: 3, last: EXAMPLE_TIME }],
});

export type DeadGroup = z.infer<typeof deadGroupSchema>;

/** A type of tasks that owners can add for their own databases. */
const taskTypeSchema = z
  .object({
    type: z.string(),
    title: z.string().nullable(),
    description: z.string().nullable(),
    /** Waiting tasks of one owner. */
    max_waiting: z.int(),
    /** Tasks that one owner adds in an hour. */
    per_hour: z.int(),
    /** JSON Schema of the payload. */
    payload: z.record(z.string(), z.unknown()),
  })
  .meta({
    id: 'TaskType',
    examples: [
      {
        type: 'report.weekly',
        title: 'Weekly report',
        description: 'Sends the numbers of the last days to you.',
        max_waiting: 5,
        per_hour: 20,
        payload: { type: 'object', properties: { days: { type: 'integer' } } },
      },
    ],
  });

export type TaskType = z.infer<typeof taskTypeSchema>;

export const listTaskTypes = endpoint({
  operationId: 'listTaskTypes',
  method: 'GET',
  path: '/api/v1/queue/task-types',
  tag,
  summary: 'List the types of tasks that owners can add',
  description: 'An administrator opens a type with a file beside its handler.',
  permission: 'queue.read',
  query: wholePageQuerySchema,
  responses: { 200: { description: 'One page of types.', schema: pageOf(taskTypeSchema) } },
});

export const createTask = endpoint({
  operationId: 'createTask',
  method: 'POST',
  path: '/api/v1/queue/tasks',
  tag,
  summary: 'Add a task',
  description:
    'If an unfinished task has the same `unique_key`, returns that task and adds none. Owners add tasks for their own database, of types that are open to owners.',
  permission: 'queue.create',
  audit: 'task.create',
  body: newTaskSchema,
  responses: {
    201: { description: 'The task was added.', schema: taskSchema },
    200: { description: 'An unfinished task has the same key.', schema: taskSchema },
  },
  errors: ['not_found', 'limit.reached'],
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
    signature: z
      .string()
      .max(300)
      .optional()
      .meta({ description: 'Error signature, as in the dead letters.' }),
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
  description: 'Moves it from the dead letters back to the queue.',
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
  description: 'A running task is stopped first. Owners cancel the tasks that they have added.',
  permission: 'queue.cancel',
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
  description: 'No task starts until the queue is resumed, also after a restart of the daemon.',
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
  description: 'Tasks that are due start at once.',
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
  description: 'One item per error signature.',
  permission: 'queue.stats',
  query: wholePageQuerySchema,
  responses: { 200: { description: 'One page of error signatures.', schema: pageOf(deadGroupSchema) } },
});

export const retryDeadLetters = endpoint({
  operationId: 'retryDeadLetters',
  method: 'POST',
  path: '/api/v1/queue/dead/retry',
  tag,
  summary: 'Retry all dead letters of one error',
  description: 'Moves the tasks with a `signature` back to the queue.',
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

/** Methods of `client.queue`. */
export const queue = {
  types: listTaskTypes,
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
};
