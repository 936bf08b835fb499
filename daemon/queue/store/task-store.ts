import type { Page, PageRequest } from '../../../shared/api/contract/page.ts';
import type { DeadGroup, NewTask, QueueStats, Task, TaskSummary } from '../../../shared/api/queue.ts';
import { FathomError } from '../../../shared/errors.ts';
import type {
  AddedTask,
  NewTaskRow,
  QueueOperations,
  StoredStats,
} from '../../../shared/hooks/queue-operations.ts';
import { newRecordId } from '../../../shared/record-id.ts';
import { NO_TASKS, type TaskCounts } from '../../../shared/task.ts';
import { unknownUser } from '../../accounts/user-repository.ts';
import type { Seal } from '../../keys/master-keys.ts';
import { toPocketBaseDate } from '../../pocketbase/data/sqlite.ts';
import type { HookClient } from './hook-client.ts';
import { sealPayload } from './payload-secrets.ts';

export interface TaskQuery extends PageRequest {
  sort: string;
  status?: string | undefined;
  type?: string | undefined;
  user_id?: string | undefined;
  signature?: string | undefined;
}

const DEFAULTS = { priority: 0, max_attempts: 5, timeout_s: 300 };

/** Adds, reads and changes tasks. Workers claim and settle them through `HookClient`. */
export class TaskStore {
  readonly #hooks: HookClient;
  readonly #seal: Seal;

  constructor(deps: { hooks: HookClient; seal: Seal }) {
    this.#hooks = deps.hooks;
    this.#seal = deps.seal;
  }

  /**
   * Adds a task. Returns the new task, or the unfinished one with the same key.
   *
   * @param byOwner whether the owner of the database adds it
   * @param enqueue sends the row to the control plane
   * @throws FathomError `not_found` for an unknown user
   */
  async add(
    task: NewTask,
    byOwner: boolean,
    enqueue: (row: NewTaskRow) => Promise<AddedTask>,
  ): Promise<{ created: boolean; task: Task }> {
    const added = await enqueue({ ...this.toRow(task), by_owner: byOwner });
    if (added.task) return { created: added.created, task: added.task };
    throw unknownUser(task.user_id);
  }

  /** Converts a task to the row that the control plane stores, with sealed secrets. */
  toRow(task: NewTask): NewTaskRow {
    const id = newRecordId();
    const { payload, secret = false, run_at, ...rest } = task;
    return {
      ...rest,
      id,
      priority: rest.priority ?? DEFAULTS.priority,
      max_attempts: rest.max_attempts ?? DEFAULTS.max_attempts,
      timeout_s: rest.timeout_s ?? DEFAULTS.timeout_s,
      ...sealPayload(payload, { taskId: id, whole: secret, seal: this.#seal }),
      ...(run_at === undefined ? {} : { run_at: toPocketBaseDate(new Date(run_at)) }),
    };
  }

  /** @throws FathomError `not_found` */
  async get(id: string): Promise<Task> {
    const { task } = await this.#hooks.call('get', { id });
    return requireTask(task, id);
  }

  async list(query: TaskQuery): Promise<Page<TaskSummary>> {
    const { page, per_page } = query;
    return { ...(await this.#hooks.call('list', query)), page, per_page };
  }

  /** Lists tasks that changed at or after `since`, the oldest change first. */
  async listChanges(since: string, limit: number): Promise<TaskSummary[]> {
    return (await this.#hooks.call('changes', { since, limit })).items;
  }

  async readStats(): Promise<QueueStats & { now: string }> {
    return withAllCounts(await this.#hooks.call('stats', {}));
  }

  async configure(settings: QueueOperations['configure']['request']): Promise<QueueStats> {
    const { now: _, ...stats } = withAllCounts(await this.#hooks.call('configure', settings));
    return stats;
  }

  /** Counts the tasks of one type that an owner has added. */
  countOwned(
    request: QueueOperations['count-owned']['request'],
  ): Promise<QueueOperations['count-owned']['response']> {
    return this.#hooks.call('count-owned', request);
  }

  /**
   * @param owner only a task that this user has added
   * @throws FathomError `not_found`, `conflict` when it is finished
   */
  async cancel(id: string, owner?: string): Promise<Task> {
    const response = await this.#hooks.call('cancel', { id, owner });
    if (owner !== undefined && response.task === null)
      throw new FathomError('not_found', `you have added no task '${id}'`);
    const task = requireTask(response.task, id);
    if (!response.changed)
      throw new FathomError(
        'conflict',
        `the task is ${task.status}; only waiting and running ones can be cancelled`,
      );
    return task;
  }

  /** @throws FathomError `not_found`, `conflict` when it is not dead, or another task has its key */
  async retry(id: string): Promise<Task> {
    const { ids } = await this.#hooks.call('retry', { id });
    const task = await this.get(id);
    if (ids.length > 0) return task;
    if (task.status !== 'dead')
      throw new FathomError('conflict', `the task is ${task.status}; only dead ones can be retried`);
    throw new FathomError('conflict', `another task with the key '${task.unique_key}' is waiting or running`);
  }

  /** Retries all dead letters of one kind of error. Returns their ids. */
  async retrySignature(signature: string): Promise<string[]> {
    return (await this.#hooks.call('retry', { signature })).ids;
  }

  /** Lists the kinds of errors among the dead letters, the most frequent first. */
  async listDeadGroups({ page, per_page }: PageRequest): Promise<Page<DeadGroup>> {
    return { ...(await this.#hooks.call('dead', { page, per_page })), page, per_page };
  }

  /** Removes finished tasks after their retention, at most `limit`. Returns the number of removed tasks. */
  async prune(body: { finished_days: number; dead_days: number; limit: number }): Promise<number> {
    return (await this.#hooks.call('prune', body)).removed;
  }
}

function withAllCounts(stats: StoredStats): QueueStats & { now: string } {
  const counts: TaskCounts = { ...NO_TASKS, ...stats.counts };
  return { ...stats, counts };
}

function requireTask(task: Task | null, id: string): Task {
  if (!task) throw new FathomError('not_found', `there is no task '${id}'`);
  return task;
}
