import { z } from 'zod';
import { FathomError } from '../../../shared/errors.ts';
import { pageOf, pageQuerySchema, problemSchema, wholePageQuerySchema } from '../../../shared/protocol.ts';
import {
  deadGroupSchema,
  newTaskSchema,
  queueStatsSchema,
  taskSchema,
  taskSummarySchema,
} from '../../../shared/queue-protocol.ts';
import { TASK_STATUSES, type Task } from '../../../shared/task.ts';
import { HOOK_TOKEN_HEADER, isHookToken } from '../../security/hook-token.ts';
import { requireCaller, requireOwnerOrAll, seesAll } from '../caller.ts';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const idParams = z.object({ id: z.string().regex(/^[a-z0-9]{15}$/, 'is not the id of a task') });
const SORTS = ['created', 'updated', 'run_at', 'priority', 'finished_at'] as const;
const SORTABLE = z.enum([...SORTS, ...SORTS.map((name) => `-${name}` as const)]).default('-created');

/** The queue of tasks: administrators work with it, users may look at their own tasks. */
export function queueRoutes(app: Api, { queue, hookToken }: ApiDeps): void {
  app.post(
    '/api/v1/queue/tasks',
    {
      config: { permission: 'queue.create', audit: 'task.create' },
      schema: {
        body: newTaskSchema,
        response: { 200: taskSchema, 201: taskSchema, 400: problemSchema, 404: problemSchema },
      },
    },
    async (request, reply) => {
      const { created, task } = await queue.add(request.body);
      // 200: an unfinished task has this key already, and this is it.
      return reply.code(created ? 201 : 200).send(task);
    },
  );

  app.get(
    '/api/v1/queue/tasks',
    {
      config: { permission: 'queue.read' },
      schema: {
        querystring: pageQuerySchema.extend({
          sort: SORTABLE,
          status: z.enum(TASK_STATUSES).optional(),
          type: z.string().max(120).optional(),
          user_id: z.string().max(15).optional(),
          signature: z.string().max(300).optional(),
        }),
        response: { 200: pageOf(taskSummarySchema) },
      },
    },
    async (request) => {
      const caller = requireCaller(request);
      const { page, per_page, ...query } = request.query;
      if (!seesAll(caller, 'queue.read') && caller.kind !== 'local') query.user_id = caller.userId;
      const { items, total } = await queue.store.list({ ...query, page, perPage: per_page });
      return { items, page, per_page, total };
    },
  );

  app.get(
    '/api/v1/queue/tasks/:id',
    {
      config: { permission: 'queue.read' },
      schema: { params: idParams, response: { 200: taskSchema, 404: problemSchema } },
    },
    async (request): Promise<Task> => {
      requireCaller(request);
      const task = await queue.store.get(request.params.id);
      requireOwnerOrAll(request, task.user_id ?? '');
      return task;
    },
  );

  const actions = { retry: (id: string) => queue.store.retry(id), cancel: (id: string) => queue.cancel(id) };
  for (const [action, act] of Object.entries(actions)) {
    app.post(
      `/api/v1/queue/tasks/:id/${action}`,
      {
        config: { permission: 'queue.operate', audit: `task.${action}` },
        schema: { params: idParams, response: { 200: taskSchema, 404: problemSchema, 409: problemSchema } },
      },
      async (request) => {
        const task = await act(request.params.id);
        queue.wake();
        return task;
      },
    );
  }

  app.get(
    '/api/v1/queue/stats',
    { config: { permission: 'queue.stats' }, schema: { response: { 200: queueStatsSchema } } },
    async () => {
      return queue.store.stats();
    },
  );

  for (const action of ['pause', 'resume'] as const) {
    app.post(
      `/api/v1/queue/${action}`,
      {
        config: { permission: 'queue.pause', audit: `queue.${action}` },
        schema: { response: { 200: queueStatsSchema } },
      },
      async () => {
        return queue.pause(action === 'pause');
      },
    );
  }

  app.get(
    '/api/v1/queue/dead',
    {
      config: { permission: 'queue.stats' },
      schema: { querystring: wholePageQuerySchema, response: { 200: pageOf(deadGroupSchema) } },
    },
    async (request) => {
      const { page, per_page } = request.query;
      return { ...(await queue.store.dead(page, per_page)), page, per_page };
    },
  );

  app.post(
    '/api/v1/queue/dead/retry',
    {
      config: { permission: 'queue.operate', audit: 'tasks.retry' },
      schema: {
        body: z.strictObject({ signature: z.string().min(1).max(300) }),
        response: { 200: z.object({ ids: z.array(z.string()) }) },
      },
    },
    async (request) => {
      const ids = await queue.store.retrySignature(request.body.signature);
      queue.wake();
      return { ids };
    },
  );

  // Called by a hook of the global PocketBase when a task was made there.
  app.post(
    '/internal/queue/wake',
    { config: { permission: 'hook' }, schema: { hide: true } },
    (request, reply) => {
      if (!isHookToken(request.headers[HOOK_TOKEN_HEADER], hookToken)) {
        throw new FathomError('not_found', 'not found');
      }
      queue.wake();
      return reply.code(202).send({ status: 'accepted' });
    },
  );
}
