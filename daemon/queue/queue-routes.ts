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
import { requireCaller, requireOwnerOrAll, seesAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Queue } from './queue.ts';

export interface QueueRoutesDeps {
  queue: Queue;
}

/** The queue of tasks: administrators work with it, users may look at their own tasks. */
export function queueRoutes(app: Api, { queue }: QueueRoutesDeps): void {
  serve(app, createTask, async (request, reply) => {
    const { created, task } = await queue.add(request.body);
    // 200: an unfinished task has this key already, and this is it.
    return reply.code(created ? 201 : 200).send(task);
  });

  serve(app, listTasks, async (request) => {
    const caller = requireCaller(request);
    const { page, per_page, ...query } = request.query;
    if (!seesAll(caller, 'queue.read') && caller.kind !== 'local') query.user_id = caller.userId;
    const { items, total } = await queue.store.list({ ...query, page, perPage: per_page });
    return { items, page, per_page, total };
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

  serve(app, getQueueStats, async () => {
    return queue.store.stats();
  });

  serve(app, pauseQueue, () => queue.pause(true));
  serve(app, resumeQueue, () => queue.pause(false));

  serve(app, listDeadLetters, async (request) => {
    const { page, per_page } = request.query;
    return { ...(await queue.store.dead(page, per_page)), page, per_page };
  });

  serve(app, retryDeadLetters, async (request) => {
    const ids = await queue.store.retrySignature(request.body.signature);
    queue.wake();
    return { ids };
  });

  // Called by a hook of the global PocketBase when a task was made there.
  app.post(
    '/internal/queue/wake',
    { config: { permission: 'hook' }, schema: { hide: true } },
    (_request, reply) => {
      queue.wake();
      return reply.code(202).send({ status: 'accepted' });
    },
  );
}
