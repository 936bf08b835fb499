import type { ClaimedTask } from '../../../shared/hooks/queue-operations.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, runAfter } from '../../base/time/clock.ts';
import { type HandlerError, handlerError } from '../runner/messages.ts';
import type { Runner } from '../runner/runner.ts';
import type { RunnerPool } from '../runner/runner-pool.ts';
import { describeThrown } from '../runner/thrown.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { isUnrecoverable, type PreparedTask } from './prepare.ts';

/** What a handler has after it was told to stop; then its process is killed. */
const GRACE_MS = 2_000;
/** A reason of its own: without one a DOMException with its stack would be made, several times a task. */
const ENDED = 'ended';

export interface ExecutionDeps {
  clock: Clock;
  log: Logger;
  runners: RunnerPool;
  /** Aborted when the task is to stop before it is prepared. */
  prepare: (task: ClaimedTask, signal: AbortSignal) => Promise<PreparedTask>;
  leaseMs: number;
  /** The handler reported progress. */
  onProgress: (execution: Execution) => void;
}

type Ending = 'timeout' | 'refused' | 'cancelled' | 'returned' | 'lost';

/**
 * One attempt at one task, from the claim to the end of its handler.
 *
 * It runs until the handler ends, or until one of five things tells it to stop — out of time, progress refused, cancelled,
 * given back, lease lost — of which the first one counts. The handler then sees its signal aborted, and is killed when it goes on. The lease
 * counts from when a renewal was asked for, and a part of it is kept back, so that the handler is gone before the lease is.
 */
export class Execution {
  readonly task: ClaimedTask;
  /** Monotonic. */
  readonly claimedAtMs: number;
  progress: { percent: number; message: string | null } | null = null;
  readonly #deps: ExecutionDeps;
  readonly #graceMs: number;
  readonly #over = new AbortController();
  readonly #stopped = new AbortController();
  readonly #stopRequested = Promise.withResolvers<null>();
  #ending: Ending | null = null;
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

  /** Null when the lease is lost: nothing may be told of it any more. */
  async run(): Promise<AttemptEnd | null> {
    const end = await this.#attempt();
    this.#over.abort(ENDED);
    if (this.#ending === 'lost') {
      this.#deadline.abort(ENDED);
      return null;
    }
    if (end.kind === 'done' && this.#ending !== 'timeout' && this.#ending !== 'refused') return end;
    switch (this.#ending) {
      case 'cancelled':
      case 'returned':
        return { kind: this.#ending };
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

  /** The lease was renewed by a request that was sent at `sentAtMs`. */
  renewed(sentAtMs: number): void {
    this.#expiresAtMs = sentAtMs + this.#deps.leaseMs;
    this.#runner?.renewLease(this.#leftMs());
    this.#guardLease();
  }

  /** Whether its end may still be told. */
  get holdsLease(): boolean {
    return this.#ending !== 'lost' && this.#leftMs() > 0;
  }

  /** The end was told, or never will be. */
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

  /** Its progress cannot be kept. */
  refuseProgress(reason: string): void {
    this.#refusal = `the global PocketBase refuses to keep the progress of this attempt: ${reason}`;
    this.progress = null;
    this.#stop('refused', this.#refusal);
  }

  async #attempt(): Promise<AttemptEnd> {
    const { clock, log, runners, prepare } = this.#deps;
    void runAfter(clock, this.task.timeout_s * 1000, this.#over.signal, () =>
      this.#stop('timeout', `out of time after ${this.task.timeout_s} s`),
    );
    let prepared: PreparedTask;
    let runner: Runner;
    try {
      // What it asks may not answer; an end does not wait for that.
      const first = await Promise.race([
        prepare(this.task, this.#stopped.signal),
        this.#stopRequested.promise,
      ]);
      if (first === null) return { kind: 'returned' };
      prepared = first;
      runner = await runners.take();
    } catch (error) {
      return {
        kind: 'failed',
        error: { ...describeThrown(error), unrecoverable: isUnrecoverable(error), stack: null },
      };
    }
    if (this.#ending !== null) {
      runners.give(runner);
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
    runners.give(runner);
    const answer = end.answer === undefined ? {} : { answer: prepared.redact(end.answer) };
    if (end.kind === 'done') return { kind: 'done', result: prepared.redactJson(end.result), ...answer };
    return { kind: 'failed', error: redacted(end.error, prepared.redact), ...answer };
  }

  #stop(ending: Ending, reason: string): void {
    // A lost lease overrides whatever else was under way.
    if (this.#ending !== null && ending !== 'lost') return;
    this.#ending = ending;
    this.#stopped.abort(ENDED);
    this.#stopRequested.resolve(null);
    const runner = this.#runner;
    if (!runner) return;
    runner.abort(reason);
    void runAfter(this.#deps.clock, this.#graceMs, this.#over.signal, () =>
      runner.kill(handlerError(reason, { code: ending })),
    );
  }

  /** Milliseconds that are left before the handler has to be gone. */
  #leftMs(): number {
    return this.#expiresAtMs - this.#deps.leaseMs / 6 - this.#deps.clock.monotonic();
  }

  #guardLease(): void {
    this.#deadline.abort(ENDED);
    const deadline = new AbortController();
    this.#deadline = deadline;
    // Not kept waiting by a handler's grace: its process ends itself when this is over.
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
