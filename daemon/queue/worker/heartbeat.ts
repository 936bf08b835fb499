import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import { type HookClient, isRefused } from '../store/hook-client.ts';
import type { Execution } from './execution.ts';

/** Progress is told at most this often; the last word wins. */
const PROGRESS_EVERY_MS = 500;

export interface HeartbeatDeps {
  clock: Clock;
  log: Logger;
  hooks: HookClient;
  leaseMs: number;
  /** Its id. */
  worker: string;
  executions: ReadonlySet<Execution>;
}

/**
 * Renews the leases of what runs, three times as often as need be, and takes progress along. What it hears back stops
 * executions: those whose lease is lost, and those that a person cancelled.
 */
export class Heartbeat {
  readonly #deps: HeartbeatDeps;
  readonly #stopped = new AbortController();
  readonly #reporting = new Set<Execution>();
  #end: (() => Promise<void>) | null = null;
  #report: Promise<void> = Promise.resolve();

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#end = repeat(this.#deps.clock, this.#deps.leaseMs / 3, () => this.#beat(this.#deps.executions));
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#end?.();
    await this.#report;
  }

  /** Tells the progress of an execution soon. */
  report(execution: Execution): void {
    if (this.#reporting.size === 0) {
      this.#report = this.#deps.clock.sleep(PROGRESS_EVERY_MS, this.#stopped.signal).then(() => {
        const reporting = new Set(this.#reporting);
        this.#reporting.clear();
        return this.#beat(reporting);
      });
    }
    this.#reporting.add(execution);
  }

  async #beat(of: ReadonlySet<Execution>): Promise<void> {
    const { log, worker } = this.#deps;
    const executions = [...of].filter((execution) => this.#deps.executions.has(execution));
    if (executions.length === 0) return;
    try {
      await this.#renew(executions, true);
    } catch (error) {
      if (isRefused(error)) for (const execution of executions) await this.#renewAlone(execution);
      else log.warn({ worker }, `the leases could not be renewed: ${messageOf(error)}`);
    }
  }

  /** The leases of several were refused together: what one reports must not cost the others theirs, nor itself. */
  async #renewAlone(execution: Execution): Promise<void> {
    const { log, worker } = this.#deps;
    try {
      await this.#renew([execution], true);
    } catch (error) {
      if (isRefused(error)) execution.refuseProgress(messageOf(error));
      try {
        await this.#renew([execution], false);
      } catch (again) {
        log.warn({ worker, task: execution.task.id }, `the lease could not be renewed: ${messageOf(again)}`);
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
      // It may have ended meanwhile, and then has no lease to lose.
      if (!this.#deps.executions.has(execution)) continue;
      if (lost.includes(execution.task.id)) execution.lose();
      else execution.renewed(sentAtMs);
      if (cancelled.includes(execution.task.id)) execution.cancel();
    }
  }
}
