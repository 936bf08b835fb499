import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { createWorker } from '../../daemon/queue/queue.ts';
import { HookClient } from '../../daemon/queue/store/hook-client.ts';
import type { Task } from '../../shared/api/queue.ts';
import { FathomError } from '../../shared/errors.ts';
import type { QueueOperations } from '../../shared/hooks/queue-operations.ts';
import { createDeployment, type Deployment } from './deployment.ts';
import { type LogLine, logLines } from './log-lines.ts';
import { hookAccess, TEST_TASKS } from './queue.ts';
import { until } from './until.ts';

export const NO_ANSWER = 'no answer';

/** Notes what is asked of the control plane; an answer can get lost, or be held back. */
export class WatchedHooks extends HookClient {
  asked: string[] = [];
  losing: string | null = null;
  holding: { operation: string; until: Promise<unknown> } | null = null;
  away = false;

  override async call<Name extends keyof QueueOperations>(
    operation: Name,
    body: QueueOperations[Name]['request'],
  ): Promise<QueueOperations[Name]['response']> {
    this.asked.push(operation);
    if (this.away) throw new FathomError('control_plane.unavailable', NO_ANSWER);
    const answer = await super.call(operation, body);
    if (operation === this.holding?.operation) await this.holding.until;
    if (operation !== this.losing) return answer;
    this.losing = null;
    throw new FathomError('control_plane.unavailable', 'the answer was lost');
  }
}

export type Worker = ReturnType<typeof createWorker>['worker'];

/** A global PocketBase without its daemon, for workers in the test's own process; one for all tests of a file. */
export class WorkerStage {
  fathom!: Deployment;
  hooks!: WatchedHooks;
  #count = 0;

  static forFile(): WorkerStage {
    const stage = new WorkerStage();
    beforeAll(async () => {
      stage.fathom = await createDeployment();
      const daemon = await stage.fathom.start();
      // Its own worker would take what is added here.
      daemon.signal('SIGKILL');
      await daemon.exited;
      stage.hooks = new WatchedHooks(hookAccess(stage.fathom));
    });
    beforeEach(async () => {
      await stage.hooks.call('configure', { paused: false, max_running: 1 });
    });
    afterAll(async () => {
      stage.hooks.close();
      // Takes the global PocketBase over, and along.
      await stage.fathom.start();
      await stage.fathom.dispose();
    });
    return stage;
  }

  /** Returns what the worker logged as a warning or worse. */
  async withWorker(
    work: (worker: Worker) => Promise<void>,
    { slots = 1, random = Math.random }: { slots?: number; random?: () => number } = {},
  ): Promise<LogLine[]> {
    let logged = '';
    const { worker, close } = createWorker({
      hooks: this.hooks,
      clock: systemClock,
      log: pino({ level: 'warn' }, { write: (line) => void (logged += line) }),
      random,
      host: {
        databaseOf: () => Promise.reject(new Error('no task here has a user')),
        provision: () => Promise.reject(new Error('no task here has a user')),
      },
      masterKeys: [{ id: 'unused', key: Buffer.alloc(32) }],
      tasksDir: TEST_TASKS,
      confinement: null,
      allowedTargets: [],
      eventWebhook: null,
      slots,
      pollIntervalMs: 600_000,
      onActivity: () => {},
    });
    try {
      await worker.start();
      this.hooks.asked = [];
      await work(worker);
    } finally {
      await worker.stop(0);
      await close();
    }
    return logLines(logged);
  }

  /** The file of the global PocketBase. */
  database(): DatabaseSync {
    const path = join(this.fathom.dataDir, 'global', 'pb_data', 'data.db');
    return new DatabaseSync(path, { timeout: 10_000 });
  }

  /** Of the next `row`. */
  get nextId(): string {
    return `added${String(this.#count + 1).padStart(10, '0')}`;
  }

  row() {
    const id = this.nextId;
    this.#count += 1;
    return { id, type: 'noop', payload: '{}', priority: 0, max_attempts: 5, timeout_s: 60 };
  }

  misbehaving(way: string, max_attempts: number, more: object = {}) {
    return { ...this.row(), type: 'misbehave', payload: JSON.stringify({ way, ...more }), max_attempts };
  }

  async find(id: string): Promise<Task | null> {
    return (await this.hooks.call('get', { id })).task ?? null;
  }

  async get(id: string): Promise<Task> {
    const task = await this.find(id);
    if (!task) throw new Error(`no task ${id}`);
    return task;
  }

  /** The task, once it is in that state. */
  async until(id: string, status: Task['status']): Promise<Task> {
    return until(
      async () => {
        const task = await this.get(id);
        return task.status === status ? task : null;
      },
      { what: `${id} to be ${status}` },
    );
  }

  /** Waits until ends of tasks were reported this many times. */
  async reported(times: number): Promise<void> {
    const count = () => this.hooks.asked.filter((name) => name === 'settle').length;
    await until(() => count() === times, { what: 'the end to be reported' });
  }
}
