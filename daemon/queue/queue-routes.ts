import {
  cancelTask,
  createTask,
  getQueueStats,
  getTask,
  listDeadLetters,
  listTasks,
  listTaskTypes,
  type NewTask,
  pauseQueue,
  resumeQueue,
  retryDeadLetters,
  retryTask,
} from '../../shared/api/queue.ts';
import type { UserLimits } from '../accounts/plans/user-limits.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../http/caller.ts';
import { type Api, serve, slicePage } from '../http/serve.ts';
import type { Queue } from './queue.ts';

export interface QueueRoutesDeps {
  queue: Queue;
  userLimits: UserLimits;
}

/** Registers the routes of tasks. Owners add, read and cancel their own tasks; administrators can do everything. */
export function queueRoutes(app: Api, { queue, userLimits }: QueueRoutesDeps): void {
  const countPending = async (user_id: string) =>
    (await queue.store.list({ user_id, status: 'pending', sort: 'created', page: 1, per_page: 1 })).total;

  const addFor = <T>(user_id: string, add: () => Promise<T>) =>
    userLimits.add('tasks', user_id, {
      count: () => countPending(user_id),
      remedy: "wait until some have ended, or cancel them: 'fathomd queue cancel ID'",
      add,
    });
  const addAsAdministrator = (task: NewTask) =>
    task.user_id === undefined ? queue.add(task) : addFor(task.user_id, () => queue.add(task));
  const addAsOwner = (userId: string, asked: NewTask) => {
    const { task, rules } = queue.owners.check(userId, asked);
    return addFor(userId, async () => {
      await queue.owners.checkLimits(userId, task.type, rules);
      return queue.add(task, { byOwner: true });
    });
  };

  serve(app, listTaskTypes, (request) => slicePage(queue.owners.listTypes(), request.query));

  serve(app, createTask, async (request, reply) => {
    const { body } = request;
    const isOwner = !seesAll(request.caller, 'queue.create');
    if (isOwner && body.user_id !== undefined) requireOwnerOrAll(request, body.user_id);
    const { created, task } = isOwner
      ? await addAsOwner(requireUserId(request), body)
      : await addAsAdministrator(body);
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
    const owner = seesAll(request.caller, 'queue.cancel') ? undefined : requireUserId(request);
    const task = await queue.cancel(request.params.id, owner);
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
