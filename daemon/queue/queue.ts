import type { NewTask, Task } from '../../shared/api/queue.ts';
import { messageOf } from '../../shared/errors.ts';
import type { FleetEvent } from '../../shared/events.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { repeat } from '../base/time/repeat.ts';
import type { MasterKeys } from '../keys/envelope.ts';
import type { Seal } from '../keys/master-keys.ts';
import { doubtAbout, type PlannedTask } from './handler-registry.ts';
import { QueueWatch } from './queue-watch.ts';
import { RunnerPool } from './runner/runner-pool.ts';
import { Schedules } from './schedules.ts';
import { HookClient } from './store/hook-client.ts';
import { TaskStore } from './store/task-store.ts';
import { preparer, type TaskHost } from './worker/prepare.ts';
import { Worker, type WorkerDeps } from './worker/worker.ts';

/** How long a worker may be silent before its task is another's. */
const LEASE_MS = 30_000;
/** What running tasks have at a stop, before they are given back. */
export const DRAIN_MS = 10_000;
/** Of one handler's heap. */
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
  /** Entries of QUEUE_ALLOWED_TARGETS. */
  allowedTargets: readonly string[];
  slots: number;
  pollIntervalMs: number;
  leaseMs?: number | undefined;
  onActivity: () => void;
  onAttempt?: WorkerDeps['onAttempt'];
}

/** A worker with runners of its own; `close` ends those, after the worker has stopped. */
export function createWorker(options: WorkerOptions): { worker: Worker; close: () => Promise<void> } {
  const runners = new RunnerPool({ memoryMb: HANDLER_MEMORY_MB });
  const worker = new Worker({
    ...options,
    leaseMs: options.leaseMs ?? LEASE_MS,
    runners,
    prepare: preparer(options),
  });
  return { worker, close: () => runners.close() };
}

export interface QueueOptions extends Omit<WorkerOptions, 'hooks' | 'onActivity'> {
  controlPlane: { url: string; hookToken: string };
  seal: Seal;
  publish: (event: FleetEvent) => void;
  hasDatabase: (userId: string) => boolean;
}

/** The queue as the daemon runs it: its own worker, the schedules, the stream's watch, and the retention. */
export class Queue {
  readonly store: TaskStore;
  readonly watch: QueueWatch;
  readonly schedules: Schedules;
  readonly #options: QueueOptions;
  readonly #hooks: HookClient;
  readonly #worker: Worker;
  readonly #closeWorker: () => Promise<void>;
  #stopPruning: (() => Promise<void>) | null = null;
  #isStopped = false;

  constructor(options: QueueOptions) {
    this.#options = options;
    const { clock, log } = options;
    const hooks = new HookClient(options.controlPlane);
    this.#hooks = hooks;
    this.store = new TaskStore({ hooks, seal: options.seal });
    this.watch = new QueueWatch({ store: this.store, clock, log, publish: options.publish });
    this.schedules = new Schedules({
      hooks,
      store: this.store,
      clock,
      log,
      doubt: (task) => this.#doubt({ ...task, payload: task.payload ?? null }),
      onTask: () => this.wake(),
    });
    const { worker, close } = createWorker({ ...options, hooks, onActivity: () => this.watch.poke() });
    this.#worker = worker;
    this.#closeWorker = close;
  }

  /** Resolves when the worker is up. @throws when it cannot be */
  async start(): Promise<void> {
    await this.store.configure({ max_running: this.#options.slots });
    await this.#worker.start();
    this.schedules.start();
    this.#stopPruning = repeat(this.#options.clock, PRUNE_EVERY_MS, () => this.#prune());
  }

  /** The new task, or the unfinished one that has its key. @throws FathomError `not_found` for an unknown user */
  async add(task: NewTask): ReturnType<TaskStore['add']> {
    const added = await this.store.add(task, (row) => this.#worker.add(row));
    this.watch.poke();
    const warning = this.#doubt({ ...task, payload: task.payload ?? null });
    return warning === null ? added : { ...added, task: { ...added.task, warning } };
  }

  /** One that waits says why it can only fail, if that is known. @throws FathomError `not_found` */
  async get(id: string): Promise<Task> {
    return this.#explained(await this.store.get(id));
  }

  /** @throws FathomError as `TaskStore.retry` */
  async retry(id: string): Promise<Task> {
    const task = await this.store.retry(id);
    this.wake();
    return this.#explained(task);
  }

  /** A task was changed, or added by somebody else. */
  wake(): void {
    this.#worker.wake();
    this.watch.poke();
  }

  /** Marks it; a handler that runs here is stopped at once, one elsewhere by its worker. */
  async cancel(id: string): ReturnType<TaskStore['cancel']> {
    const task = await this.store.cancel(id);
    this.#worker.cancel(id);
    this.watch.poke();
    return task;
  }

  async pause(paused: boolean): ReturnType<TaskStore['configure']> {
    const stats = await this.store.configure({ paused });
    this.#options.publish({ kind: 'queue.stats', stats });
    if (!paused) this.wake();
    return stats;
  }

  /** Drains the worker, within its bound. Safe to call before it was started. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const others = Promise.all([this.#stopPruning?.(), this.schedules.stop(), this.watch.stop()]);
    await this.#worker.stop(DRAIN_MS);
    await this.#closeWorker();
    // Ends the requests that are not answered yet, for which the others may wait.
    this.#hooks.close();
    await others;
  }

  #explained(task: Task): Task {
    if (task.status !== 'pending') return task;
    const { type, user_id, payload } = task;
    const warning = this.#doubt(task.secret ? { type, user_id } : { type, user_id, payload });
    return warning === null ? task : { ...task, warning };
  }

  #doubt(task: PlannedTask): string | null {
    return doubtAbout(task, this.#options);
  }

  async #prune(): Promise<void> {
    try {
      while (!this.#isStopped && (await this.store.prune(KEEP)) === KEEP.limit);
    } catch (error) {
      this.#options.log.warn(`finished tasks could not be removed: ${messageOf(error)}`);
    }
  }
}
