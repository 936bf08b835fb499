import type { NewTask, Task } from '../../shared/api/queue.ts';
import { messageOf } from '../../shared/errors.ts';
import type { FleetEvent } from '../../shared/events.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { repeat } from '../base/time/repeat.ts';
import type { WebhookTarget } from '../config/alerts.ts';
import type { MasterKeys } from '../keys/envelope.ts';
import type { Seal } from '../keys/master-keys.ts';
import { type PlannedTask, predictFailure } from './handler-registry.ts';
import { OwnerTasks } from './owners/owner-tasks.ts';
import { QueueWatch } from './queue-watch.ts';
import type { HandlerConfinement } from './runner/messages.ts';
import { RunnerPool } from './runner/runner-pool.ts';
import { Schedules, type SchedulesDeps } from './schedules.ts';
import { HookClient } from './store/hook-client.ts';
import { TaskStore } from './store/task-store.ts';
import { createTaskPreparer, type TaskHost } from './worker/prepare.ts';
import { Worker, type WorkerDeps } from './worker/worker.ts';

/** Lifetime of a lease: after this time without a renewal, another worker may claim the task. */
const LEASE_MS = 30_000;
/** How long a stop waits for running tasks before it gives them back. */
export const DRAIN_MS = 10_000;
/** Limit of the heap of one handler. */
const HANDLER_MEMORY_MB = 256;

const PRUNE_EVERY_MS = 3_600_000;
const KEEP = { finished_days: 7, dead_days: 90, limit: 1_000 };

export interface WorkerOptions {
  clock: Clock;
  log: Logger;
  random: () => number;
  hooks: HookClient;
  host: TaskHost;
  masterKeys: MasterKeys;
  tasksDir: string;
  /** What handlers of the administrator cannot use; null without a sandbox. */
  confinement: HandlerConfinement | null;
  /** Entries of QUEUE_ALLOWED_TARGETS. */
  allowedTargets: readonly string[];
  /** Where `webhook.send` sends events; null without one. */
  eventWebhook: WebhookTarget | null;
  slots: number;
  pollIntervalMs: number;
  leaseMs?: number | undefined;
  onActivity: () => void;
  onAttempt?: WorkerDeps['onAttempt'];
}

/** Creates a worker with its runners. Call `close` after the worker has stopped; it ends the runners. */
export function createWorker(options: WorkerOptions): { worker: Worker; close: () => Promise<void> } {
  const memoryMb = HANDLER_MEMORY_MB;
  const runners = {
    own: new RunnerPool({ memoryMb, confinement: null }),
    custom: new RunnerPool({ memoryMb, confinement: options.confinement }),
  };
  const worker = new Worker({
    ...options,
    leaseMs: options.leaseMs ?? LEASE_MS,
    runners,
    prepare: createTaskPreparer(options),
  });
  const close = async () => {
    await Promise.all([runners.own.close(), runners.custom.close()]);
  };
  return { worker, close };
}

export interface QueueOptions extends Omit<WorkerOptions, 'hooks' | 'onActivity'> {
  controlPlane: { url: string; hookToken: string };
  seal: Seal;
  publish: (event: FleetEvent) => void;
  hasDatabase: (userId: string) => boolean;
  listDatabases: SchedulesDeps['listDatabases'];
}

/** The queue of the daemon: its worker, the schedules, the watch for the stream, and the retention. */
export class Queue {
  readonly store: TaskStore;
  readonly watch: QueueWatch;
  readonly schedules: Schedules;
  readonly owners: OwnerTasks;
  readonly #options: QueueOptions;
  readonly #hooks: HookClient;
  readonly #worker: Worker;
  readonly #closeWorker: () => Promise<void>;
  #stopPruning: (() => Promise<void>) | null = null;
  #isStopped = false;
  /** Whether another host has the global PocketBase. */
  isElsewhere = false;

  constructor(options: QueueOptions) {
    this.#options = options;
    const { clock, log } = options;
    const hooks = new HookClient(options.controlPlane);
    this.#hooks = hooks;
    this.store = new TaskStore({ hooks, seal: options.seal });
    this.owners = new OwnerTasks({ ...options, store: this.store });
    this.watch = new QueueWatch({ store: this.store, clock, log, publish: options.publish });
    this.schedules = new Schedules({
      hooks,
      store: this.store,
      clock,
      log,
      predictFailure: (task) => this.#predictFailure({ ...task, payload: task.payload ?? null }),
      onTask: () => this.wake(),
      listDatabases: options.listDatabases,
    });
    const { worker, close } = createWorker({
      ...options,
      hooks,
      onActivity: () => this.watch.notifyChange(),
    });
    this.#worker = worker;
    this.#closeWorker = close;
  }

  /** Uses the global PocketBase of another host from now on. Call it before the first request. */
  redirect(url: string): void {
    this.#hooks.redirect(url);
    this.isElsewhere = true;
  }

  /** Resolves when the worker is up. @throws as `Worker.start` */
  async start(): Promise<void> {
    const { slots, eventWebhook } = this.#options;
    await this.store.configure({ max_running: slots, event_webhooks: eventWebhook !== null });
    await this.#worker.start();
    this.schedules.start();
    this.#stopPruning = repeat(this.#options.clock, PRUNE_EVERY_MS, () => this.#prune());
  }

  /**
   * Adds a task, or returns the unfinished one with its key.
   *
   * @param byOwner the owner of the database adds it, and may cancel it
   * @throws FathomError `not_found` for an unknown user
   */
  async add(task: NewTask, { byOwner = false } = {}): ReturnType<TaskStore['add']> {
    const added = await this.store.add(task, byOwner, (row) => this.#worker.add(row));
    this.watch.notifyChange();
    const warning = this.#predictFailure({ ...task, payload: task.payload ?? null });
    return warning === null ? added : { ...added, task: { ...added.task, warning } };
  }

  /** Returns a task, with a warning when it waits and is known to fail. @throws FathomError `not_found` */
  async get(id: string): Promise<Task> {
    return this.#withWarning(await this.store.get(id));
  }

  /** @throws FathomError as `TaskStore.retry` */
  async retry(id: string): Promise<Task> {
    const task = await this.store.retry(id);
    this.wake();
    return this.#withWarning(task);
  }

  /** Call this after a task was changed, or added elsewhere. */
  wake(): void {
    this.#worker.wake();
    this.watch.notifyChange();
  }

  /**
   * Cancels a task. A handler of this worker is stopped immediately, another one by its own worker.
   *
   * @throws FathomError as `TaskStore.cancel`
   */
  async cancel(id: string, owner?: string): ReturnType<TaskStore['cancel']> {
    const task = await this.store.cancel(id, owner);
    this.#worker.cancel(id);
    this.watch.notifyChange();
    return task;
  }

  async pause(paused: boolean): ReturnType<TaskStore['configure']> {
    const stats = await this.store.configure({ paused });
    this.#options.publish({ kind: 'queue.stats', stats });
    if (!paused) this.wake();
    return stats;
  }

  /** Stops the worker after running tasks ended or `DRAIN_MS` passed. May be called before the start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const others = Promise.all([this.#stopPruning?.(), this.schedules.stop(), this.watch.stop()]);
    await this.#worker.stop(DRAIN_MS);
    await this.#closeWorker();
    // Ends pending requests, for which the others may wait.
    this.#hooks.close();
    await others;
  }

  #withWarning(task: Task): Task {
    if (task.status !== 'pending') return task;
    const { type, user_id, payload } = task;
    const warning = this.#predictFailure(task.secret ? { type, user_id } : { type, user_id, payload });
    return warning === null ? task : { ...task, warning };
  }

  #predictFailure(task: PlannedTask): string | null {
    return predictFailure(task, this.#options);
  }

  async #prune(): Promise<void> {
    try {
      while (!this.#isStopped && (await this.store.prune(KEEP)) === KEEP.limit);
    } catch (error) {
      this.#options.log.warn(`cannot remove finished tasks: ${messageOf(error)}`);
    }
  }
}
