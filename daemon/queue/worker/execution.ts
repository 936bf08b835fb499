import type { ClaimedTask } from '../../../shared/hooks/queue-operations.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, runAfter } from '../../base/time/clock.ts';
import type { HandlerOrigin } from '../handler-registry.ts';
import { type HandlerError, handlerError } from '../runner/messages.ts';
import type { Runner } from '../runner/runner.ts';
import type { RunnerPool } from '../runner/runner-pool.ts';
import { describeThrown } from '../runner/thrown.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { isUnrecoverable, NoDatabaseNow, type PreparedTask } from './prepare.ts';

/** How long a handler may run after its signal was aborted; then its process is killed. */
const GRACE_MS = 2_000;
/** An explicit reason is cheap: without one, `abort` creates a DOMException with a stack, several times per task. */
const ENDED = 'ended';

export interface ExecutionDeps {
  clock: Clock;
  log: Logger;
  /** `own` runs the handlers of Fathom, `custom` those of the administrator. */
  runners: Record<HandlerOrigin, RunnerPool>;
  /** `signal` is aborted when the task is stopped during the preparation. */
  prepare: (task: ClaimedTask, signal: AbortSignal) => Promise<PreparedTask>;
  leaseMs: number;
  /** The handler reported progress. */
  onProgress: (execution: Execution) => void;
}

type StopReason = 'timeout' | 'refused' | 'cancelled' | 'returned' | 'lost';

/**
 * One attempt at one task, from the claim to the end of its handler.
 *
 * It runs until the handler ends or a stop: timeout, progress refused, cancelled, given back, lease lost. The first stop
 * counts. It aborts the signal of the handler, and kills the handler after a grace period. The lease counts from the moment
 * at which a renewal was sent, and ends early by a margin, so that the handler is gone before the lease expires.
 */
export class Execution {
  readonly task: ClaimedTask;
  /** Monotonic time. */
  readonly claimedAtMs: number;
  progress: { percent: number; message: string | null } | null = null;
  readonly #deps: ExecutionDeps;
  readonly #graceMs: number;
  readonly #ended = new AbortController();
  readonly #stopped = new AbortController();
  readonly #stopRequested = Promise.withResolvers<null>();
  #stopReason: StopReason | null = null;
  #refusal = '';
  #runner: Runner | null = null;
  #deadline = new AbortController();
  #expiresAtMs: number;

  constructor(task: ClaimedTask, claimedAtMs: number, deps: ExecutionDeps) {
    this.task = task;
    this.claimedAtMs = claimedAtMs;
    this.#deps = deps;
    this.#graceMs = Math.min(GRACE_MS, deps.leaseMs / 10);
    this.#expiresAtMs = claimedAtMs + deps.leaseMs;
    this.#guardLease();
  }

  /** Runs the attempt. Returns null when the lease is lost; then nothing may be reported. */
  async run(): Promise<AttemptEnd | null> {
    const end = await this.#attempt();
    this.#ended.abort(ENDED);
    if (this.#stopReason === 'lost') {
      this.#deadline.abort(ENDED);
      return null;
    }
    if (end.kind === 'done' && this.#stopReason !== 'timeout' && this.#stopReason !== 'refused') return end;
    switch (this.#stopReason) {
      case 'cancelled':
      case 'returned':
        return { kind: this.#stopReason };
      case 'refused':
        return {
          kind: 'failed',
          error: handlerError(this.#refusal, { code: 'refused', unrecoverable: true }),
        };
      case 'timeout':
        return {
          kind: 'failed',
          error: handlerError(`out of time: it did not end within ${this.task.timeout_s} s`, {
            code: 'timeout',
          }),
        };
      case null:
        return end;
    }
  }

  /** Extends the lease, which was renewed by a request sent at `sentAtMs`. */
  noteRenewal(sentAtMs: number): void {
    this.#expiresAtMs = sentAtMs + this.#deps.leaseMs;
    this.#runner?.renewLease(this.#leftMs());
    this.#guardLease();
  }

  /** Whether the end of the attempt may still be reported. */
  get holdsLease(): boolean {
    return this.#stopReason !== 'lost' && this.#leftMs() > 0;
  }

  /** Releases the timers, after the end was reported or abandoned. */
  close(): void {
    this.#deadline.abort(ENDED);
  }

  cancel(): void {
    this.#stop('cancelled', 'the task was cancelled');
  }

  giveBack(): void {
    this.#stop('returned', 'the worker stops');
  }

  lose(): void {
    this.#stop('lost', 'the lease on the task is lost');
  }

  /** Stops the attempt because its progress cannot be stored. */
  refuseProgress(reason: string): void {
    this.#refusal = `the global PocketBase refuses to store the progress of this attempt: ${reason}`;
    this.progress = null;
    this.#stop('refused', this.#refusal);
  }

  async #attempt(): Promise<AttemptEnd> {
    const { clock, log, prepare } = this.#deps;
    void runAfter(clock, this.task.timeout_s * 1000, this.#ended.signal, () =>
      this.#stop('timeout', `out of time after ${this.task.timeout_s} s`),
    );
    let prepared: PreparedTask;
    let runners: RunnerPool;
    let runner: Runner;
    try {
      // The preparation may wait for a response; a stop does not wait for it.
      const first = await Promise.race([
        prepare(this.task, this.#stopped.signal),
        this.#stopRequested.promise,
      ]);
      if (first === null) return { kind: 'returned' };
      prepared = first;
      runners = this.#deps.runners[prepared.origin];
      runner = await runners.take();
    } catch (error) {
      if (error instanceof NoDatabaseNow)
        return { kind: 'done', result: JSON.stringify({ skipped: error.message }) };
      return {
        kind: 'failed',
        error: { ...describeThrown(error), unrecoverable: isUnrecoverable(error), stack: null },
      };
    }
    if (this.#stopReason !== null) {
      runners.giveBack(runner);
      return { kind: 'returned' };
    }
    this.#runner = runner;
    const end = await runner.run(
      { ...prepared.request, leaseMs: this.#leftMs() },
      {
        onProgress: (percent, message) => {
          this.progress = { percent, message: message === null ? null : prepared.redact(message) };
          this.#deps.onProgress(this);
        },
        onLog: (level, text) =>
          log[level]({ task: this.task.id, type: this.task.type }, prepared.redact(text)),
        token: prepared.token,
        provision: prepared.provision,
      },
    );
    this.#runner = null;
    runners.giveBack(runner);
    const answer = end.answer === undefined ? {} : { answer: prepared.redact(end.answer) };
    if (end.kind === 'done') return { kind: 'done', result: prepared.redactJson(end.result), ...answer };
    return { kind: 'failed', error: redacted(end.error, prepared.redact), ...answer };
  }

  #stop(stopReason: StopReason, message: string): void {
    // A lost lease overrides an earlier reason.
    if (this.#stopReason !== null && stopReason !== 'lost') return;
    this.#stopReason = stopReason;
    this.#stopped.abort(ENDED);
    this.#stopRequested.resolve(null);
    const runner = this.#runner;
    if (!runner) return;
    runner.abort(message);
    void runAfter(this.#deps.clock, this.#graceMs, this.#ended.signal, () =>
      runner.kill(handlerError(message, { code: stopReason })),
    );
  }

  /** Returns the milliseconds until the handler must be gone. */
  #leftMs(): number {
    return this.#expiresAtMs - this.#deps.leaseMs / 6 - this.#deps.clock.monotonic();
  }

  #guardLease(): void {
    this.#deadline.abort(ENDED);
    const deadline = new AbortController();
    this.#deadline = deadline;
    // The grace period ends before the lease does; then the process of the handler ends itself.
    const leftMs = Math.max(0, this.#leftMs() - this.#graceMs);
    void runAfter(this.#deps.clock, leftMs, deadline.signal, () => this.lose());
  }
}

function redacted(error: HandlerError, redact: (text: string) => string): HandlerError {
  return {
    ...error,
    name: redact(error.name),
    message: redact(error.message),
    code: error.code === null ? null : redact(error.code),
    stack: error.stack === null ? null : redact(error.stack),
    causes: error.causes.map(redact),
  };
}
