import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import { type HookClient, isRefused } from '../store/hook-client.ts';
import type { Execution } from './execution.ts';

/** Progress is reported at most this often; the last value wins. */
const PROGRESS_EVERY_MS = 500;

export interface HeartbeatDeps {
  clock: Clock;
  log: Logger;
  hooks: HookClient;
  leaseMs: number;
  /** Id of the worker. */
  worker: string;
  executions: ReadonlySet<Execution>;
}

/**
 * Renews the leases of running tasks three times per lease, and reports progress. The response names tasks whose lease is
 * lost and tasks that were cancelled; their executions are stopped.
 */
export class Heartbeat {
  readonly #deps: HeartbeatDeps;
  readonly #stopped = new AbortController();
  readonly #withProgress = new Set<Execution>();
  #end: (() => Promise<void>) | null = null;
  #progressReport: Promise<void> = Promise.resolve();

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#end = repeat(this.#deps.clock, this.#deps.leaseMs / 3, () => this.#renewAll(this.#deps.executions));
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#end?.();
    await this.#progressReport;
  }

  /** Reports the progress of an execution within `PROGRESS_EVERY_MS`. */
  reportProgress(execution: Execution): void {
    if (this.#withProgress.size === 0) {
      this.#progressReport = this.#deps.clock.sleep(PROGRESS_EVERY_MS, this.#stopped.signal).then(() => {
        const executions = new Set(this.#withProgress);
        this.#withProgress.clear();
        return this.#renewAll(executions);
      });
    }
    this.#withProgress.add(execution);
  }

  async #renewAll(selected: ReadonlySet<Execution>): Promise<void> {
    const { log, worker } = this.#deps;
    const executions = [...selected].filter((execution) => this.#deps.executions.has(execution));
    if (executions.length === 0) return;
    try {
      await this.#renew(executions, true);
    } catch (error) {
      if (isRefused(error)) for (const execution of executions) await this.#renewAlone(execution);
      else log.warn({ worker }, `cannot renew the leases: ${messageOf(error)}`);
    }
  }

  /** Renews one lease after a request for several was refused. If its progress is the reason, renews it without. */
  async #renewAlone(execution: Execution): Promise<void> {
    const { log, worker } = this.#deps;
    try {
      await this.#renew([execution], true);
    } catch (error) {
      if (isRefused(error)) execution.refuseProgress(messageOf(error));
      try {
        await this.#renew([execution], false);
      } catch (secondError) {
        log.warn({ worker, task: execution.task.id }, `cannot renew the lease: ${messageOf(secondError)}`);
      }
    }
  }

  async #renew(executions: readonly Execution[], withProgress: boolean): Promise<void> {
    const { clock, hooks, leaseMs, worker } = this.#deps;
    const sentAtMs = clock.monotonic();
    const { lost, cancelled } = await hooks.call('heartbeat', {
      worker,
      lease_ms: leaseMs,
      leases: executions.map(({ task, progress }) => ({
        id: task.id,
        epoch: task.epoch,
        progress: (withProgress ? progress?.percent : null) ?? null,
        message: (withProgress ? progress?.message : null) ?? null,
      })),
    });
    for (const execution of executions) {
      // The execution may have ended in the meantime.
      if (!this.#deps.executions.has(execution)) continue;
      if (lost.includes(execution.task.id)) execution.lose();
      else execution.noteRenewal(sentAtMs);
      if (cancelled.includes(execution.task.id)) execution.cancel();
    }
  }
}
