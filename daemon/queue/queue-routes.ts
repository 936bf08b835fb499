import {
  cancelTask,
  createTask,
  getQueueStats,
  getTask,
  listDeadLetters,
  listTasks,
  pauseQueue,
  resumeQueue,
  retryDeadLetters,
  retryTask,
} from '../../shared/api/queue.ts';
import type { UserLimits } from '../accounts/plans/user-limits.ts';
import { requireCaller, requireOwnerOrAll, seesAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Queue } from './queue.ts';

export interface QueueRoutesDeps {
  queue: Queue;
  userLimits: UserLimits;
}

/** Registers the routes of tasks. Users can read their own tasks; administrators can do everything. */
export function queueRoutes(app: Api, { queue, userLimits }: QueueRoutesDeps): void {
  const countPending = async (user_id: string) =>
    (await queue.store.list({ user_id, status: 'pending', sort: 'created', page: 1, per_page: 1 })).total;

  serve(app, createTask, async (request, reply) => {
    const { user_id } = request.body;
    const add = () => queue.add(request.body);
    const { created, task } =
      user_id === undefined
        ? await add()
        : await userLimits.add('tasks', user_id, {
            count: () => countPending(user_id),
            remedy: "wait until some have ended, or cancel them: 'fathomd queue cancel ID'",
            add,
          });
    // 200: an unfinished task with this key exists and is returned.
    return reply.code(created ? 201 : 200).send(task);
  });

  serve(app, listTasks, async (request) => {
    const caller = requireCaller(request);
    const { query } = request;
    if (!seesAll(caller, 'queue.read') && caller.kind !== 'local') query.user_id = caller.userId;
    return queue.store.list(query);
  });

  serve(app, getTask, async (request) => {
    const caller = requireCaller(request);
    const task = await queue.get(request.params.id);
    requireOwnerOrAll(request, task.user_id ?? '');
    return seesAll(caller, 'queue.read') ? task : { ...task, answer: null };
  });

  serve(app, retryTask, (request) => queue.retry(request.params.id));

  serve(app, cancelTask, async (request) => {
    const task = await queue.cancel(request.params.id);
    queue.wake();
    return task;
  });

  serve(app, getQueueStats, () => queue.store.readStats());

  serve(app, pauseQueue, () => queue.pause(true));
  serve(app, resumeQueue, () => queue.pause(false));

  serve(app, listDeadLetters, (request) => queue.store.listDeadGroups(request.query));

  serve(app, retryDeadLetters, async (request) => {
    const ids = await queue.store.retrySignature(request.body.signature);
    queue.wake();
    return { ids };
  });

  // A hook of the global PocketBase calls this after a task was created there.
  app.post(
    '/internal/queue/wake',
    { config: { permission: 'hook' }, schema: { hide: true } },
    (_request, reply) => {
      queue.wake();
      return reply.code(202).send({ status: 'accepted' });
    },
  );
}
