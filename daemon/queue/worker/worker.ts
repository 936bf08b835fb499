import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type {
  AddedTask,
  ClaimedTask,
  NewTaskRow,
  Outcome,
  QueueOperations,
} from '../../../shared/hooks/queue-operations.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, settlesWithin } from '../../base/time/clock.ts';
import { type HookClient, isRefused } from '../store/hook-client.ts';
import { type AttemptEnd, decideOutcome, outcomeAfterRefusal } from './attempt-end.ts';
import { Execution, type ExecutionDeps } from './execution.ts';
import { Heartbeat } from './heartbeat.ts';

/** Operations whose response can contain a claimed task. */
type ClaimingOperation = 'claim' | 'settle' | 'add-and-claim';

export interface WorkerDeps extends Omit<ExecutionDeps, 'onProgress'> {
  clock: Clock;
  log: Logger;
  random: () => number;
  hooks: HookClient;
  /** Concurrent tasks of this worker. The control plane limits the number over all workers. */
  slots: number;
  /** How often the worker looks for tasks without being woken. */
  pollIntervalMs: number;
  /** Called after a claim and after the end of a task. */
  onActivity: () => void;
  /** Called after an attempt. `outcome` is the reported one, or `lost` with the lease. */
  onAttempt?: ((type: string, outcome: Outcome['kind'] | 'lost', seconds: number) => void) | undefined;
}

const RETRY_SETTLE_MS = 200;
/** Delay after a claim that failed. */
const RETRY_CLAIM_MS = 1_000;
/** After a stop gave tasks back: time for handlers to end or be killed, and for their ends to be stored. */
const GIVE_BACK_MS = 5_000;
/** Time for a renewal of leases that is in progress at the end of a stop. */
const LAST_BEAT_MS = 1_000;

/**
 * Claims tasks and runs them. It claims when it is woken, when the next task becomes due, and at each poll interval. The
 * response to the end of a task contains the next task.
 *
 *   started ──▶ claims until the slots are full or nothing is due ──▶ waits for wake, due time, poll
 *   each claim ──▶ execution ──settle──▶ the next task in the same slot, or none
 *   stop: claims nothing more, waits a limited time for running tasks, gives the rest back; a task that cannot be given
 *         back ends with its lease
 */
export class Worker {
  readonly id = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  readonly #deps: WorkerDeps;
  readonly #heartbeat: Heartbeat;
  readonly #executions = new Set<Execution>();
  readonly #slots = new Map<symbol, Promise<void>>();
  /** Started and not stopped. */
  #isClaiming = false;
  #isStopped = false;
  /** The stop is over. Ends of tasks that are not stored yet are abandoned; their leases expire. */
  #isAbandoned = false;
  #wake = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  /** Tasks with a lease of this worker. A task can be claimed again before its settled first lease is removed. */
  readonly #held = new Set<ClaimedTask>();
  /** The response to a request was lost, and perhaps a claimed task with it. */
  #isResponseLost = false;
  #lastRequest: Promise<void> = Promise.resolve();

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
    this.#heartbeat = new Heartbeat({ ...deps, worker: this.id, executions: this.#executions });
  }

  /**
   * Starts the worker. Resolves after the first successful claim or a stop; waits for a control plane that is not up yet.
   *
   * @throws when no runner can be started; FathomError `config.invalid` when the control plane rejects this worker
   */
  async start(): Promise<void> {
    await this.#deps.runners.own.warm();
    if (this.#isStopped) return;
    this.#isClaiming = true;
    this.#heartbeat.start();
    const first = Promise.withResolvers<void>();
    this.#loop = this.#runLoop(first);
    await first.promise;
    if (this.#isClaiming)
      this.#deps.log.info({ worker: this.id, slots: this.#deps.slots }, 'the queue worker is up');
  }

  /** Makes the worker look for due tasks now. */
  wake(): void {
    this.#wake.abort('woken');
  }

  /** Adds a task. With a free slot, the same request claims one, which halves the time until the handler starts. */
  async add(row: NewTaskRow): Promise<AddedTask> {
    const isFree = this.#isClaiming && this.#slots.size < this.#deps.slots;
    // After a lost response, `#send` must first clear up which tasks are held.
    if (!isFree || this.#isResponseLost) {
      const added = await this.#deps.hooks.call('enqueue', row);
      if (added.created) this.wake();
      return added;
    }
    const sentAtMs = this.#deps.clock.monotonic();
    const response = this.#send('add-and-claim', { row });
    // The caller gets an error from the second use of the promise.
    this.#startSlot(
      response.then(({ task }) => task).catch(() => null),
      sentAtMs,
    );
    return (await response).added;
  }

  /** Stops the handler of a task, if it runs here. */
  cancel(taskId: string): void {
    for (const execution of this.#executions) if (execution.task.id === taskId) execution.cancel();
  }

  /**
   * Stops claiming, waits up to `withinMs` for running tasks and gives the rest back. Takes at most `GIVE_BACK_MS` and
   * `LAST_BEAT_MS` longer, even when the control plane does not respond. May be called twice.
   */
  async stop(withinMs: number): Promise<void> {
    const { clock, log } = this.#deps;
    this.#isStopped = true;
    this.#isClaiming = false;
    this.wake();
    const idle = this.#waitUntilIdle();
    if (!(await settlesWithin(clock, withinMs, idle))) {
      for (const execution of this.#executions) execution.giveBack();
      if (!(await settlesWithin(clock, GIVE_BACK_MS, idle))) {
        this.#isAbandoned = true;
        const tasks = [...this.#executions].map(({ task }) => task.id);
        log.warn(
          { worker: this.id, tasks },
          'stopped before the ends of these tasks were stored: their leases expire',
        );
      }
    }
    await settlesWithin(clock, LAST_BEAT_MS, this.#heartbeat.stop());
  }

  async #waitUntilIdle(): Promise<void> {
    await this.#loop;
    while (this.#slots.size > 0) await Promise.all(this.#slots.values());
  }

  async #runLoop(first: PromiseWithResolvers<void>): Promise<void> {
    let isUp = false;
    let problem: string | null = null;
    while (this.#isClaiming) {
      this.#wake = new AbortController();
      let waitMs = this.#deps.pollIntervalMs;
      try {
        const dueInMs = await this.#claimDue();
        isUp = true;
        first.resolve();
        if (problem !== null) this.#deps.log.info({ worker: this.id }, 'can claim tasks again');
        problem = null;
        waitMs = Math.min(waitMs, dueInMs ?? waitMs);
      } catch (error) {
        // A retry would not help.
        if (!isUp && isMisconfigured(error)) {
          this.#isClaiming = false;
          first.reject(error);
          return;
        }
        // The same problem is logged once, not with every claim.
        if (messageOf(error) !== problem) {
          problem = messageOf(error);
          this.#deps.log.warn({ worker: this.id }, `cannot claim tasks: ${problem}`);
        }
        waitMs = Math.min(waitMs, RETRY_CLAIM_MS);
      }
      await this.#deps.clock.sleep(waitMs, this.#wake.signal);
    }
    first.resolve();
  }

  /** Claims until the slots are full or nothing is due. Returns the milliseconds until the next task is due. */
  async #claimDue(): Promise<number | null> {
    while (this.#isClaiming && this.#slots.size < this.#deps.slots) {
      const sentAtMs = this.#deps.clock.monotonic();
      const { task, due_in_ms } = await this.#send('claim', { rescue: true });
      if (task === null) return due_in_ms;
      this.#startSlot(Promise.resolve(task), sentAtMs);
    }
    return null;
  }

  /** Occupies a slot while the first task is requested, and for all tasks that follow it. */
  #startSlot(first: Promise<ClaimedTask | null>, sentAtMs: number): void {
    const slot = Symbol('slot');
    this.#slots.set(slot, this.#runSlot(slot, first, sentAtMs));
  }

  async #runSlot(slot: symbol, first: Promise<ClaimedTask | null>, sentAtMs: number): Promise<void> {
    try {
      await this.#runTasks(await first, sentAtMs);
    } catch (error) {
      this.#deps.log.error({ err: error, worker: this.id }, 'a slot of the queue worker failed');
    } finally {
      this.#slots.delete(slot);
      this.wake();
    }
  }

  /** Runs one task after the other until there is none. */
  async #runTasks(first: ClaimedTask | null, firstSentAtMs: number): Promise<void> {
    let task = first;
    let sentAtMs = firstSentAtMs;
    while (task !== null) {
      this.#deps.onActivity();
      const execution: Execution = new Execution(task, sentAtMs, {
        ...this.#deps,
        onProgress: (reporting) => this.#heartbeat.reportProgress(reporting),
      });
      this.#executions.add(execution);
      // The stop began after the claim was sent.
      if (!this.#isClaiming) execution.giveBack();
      try {
        const end = await execution.run();
        sentAtMs = this.#deps.clock.monotonic();
        if (end === null) this.#noteAttempt(execution, 'lost');
        task = end === null ? null : await this.#settle(execution, end);
      } finally {
        execution.close();
        this.#executions.delete(execution);
        this.#held.delete(execution.task);
        this.#deps.onActivity();
      }
    }
  }

  /** Reports the end of an attempt, with retries while the lease lasts. Returns the next task. */
  async #settle(execution: Execution, end: AttemptEnd): Promise<ClaimedTask | null> {
    const { clock, log, random } = this.#deps;
    const { task } = execution;
    let outcome = decideOutcome(end, { task, worker: this.id, now: clock.now(), random });
    this.#logOutcome(task, outcome, end);
    this.#noteAttempt(execution, outcome.kind);
    let isRepeated = false;
    while (execution.holdsLease && !this.#isAbandoned) {
      try {
        const body = { id: task.id, epoch: task.epoch, outcome, claim: this.#isClaiming };
        const response = await this.#send('settle', body, task);
        if (!response.accepted) log.warn({ task: task.id }, describeRefusal(isRepeated));
        return response.task;
      } catch (error) {
        isRepeated = true;
        log.warn({ task: task.id }, `cannot report the end of a task: ${messageOf(error)}`);
        if (isRefused(error)) {
          const reason = messageOf(error);
          const next = outcomeAfterRefusal(outcome, reason, { task, worker: this.id, now: clock.now() });
          if (next === null) {
            // Kept as held, so that it is not given back: it would end in the same way again and again.
            this.#held.add({ ...task });
            break;
          }
          outcome = next;
        } else {
          await clock.sleep(RETRY_SETTLE_MS);
        }
      }
    }
    log.warn({ task: task.id }, 'the end of a task was not stored: its lease expires');
    return null;
  }

  /**
   * Sends one request after the other, so that `#held` is complete. After a lost response, the next request names the held
   * tasks, and the control plane takes back a task that came with the lost response.
   */
  #send<Name extends ClaimingOperation>(
    operation: Name,
    body: Omit<QueueOperations[Name]['request'], 'worker' | 'lease_ms' | 'held'>,
    settled?: ClaimedTask,
  ): Promise<QueueOperations[Name]['response']> {
    const response = this.#lastRequest.then(async () => {
      if (this.#isAbandoned) throw new FathomError('control_plane.unavailable', 'the worker has stopped');
      const held = this.#isResponseLost
        ? { held: [...this.#held].map(({ id, epoch }) => `${id}:${epoch}`) }
        : {};
      this.#isResponseLost = true;
      const request = { worker: this.id, lease_ms: this.#deps.leaseMs, ...held, ...body };
      const received = await this.#deps.hooks.call(operation, request);
      this.#isResponseLost = false;
      if (settled !== undefined) this.#held.delete(settled);
      if (received.task) this.#held.add(received.task);
      return received;
    });
    this.#lastRequest = waitForEnd(response);
    return response;
  }

  #noteAttempt({ task, claimedAtMs }: Execution, outcome: Outcome['kind'] | 'lost'): void {
    this.#deps.onAttempt?.(task.type, outcome, (this.#deps.clock.monotonic() - claimedAtMs) / 1000);
  }

  #logOutcome({ id, type, attempt, user }: ClaimedTask, outcome: Outcome, end: AttemptEnd): void {
    const fields = { task: id, type, attempt, user: user?.id, outcome: outcome.kind };
    if (outcome.kind === 'dead' && end.kind === 'failed')
      this.#deps.log.warn(fields, `a task is dead: ${type}: ${end.error.message}`);
    else this.#deps.log.debug(fields, 'an attempt at a task ended');
  }
}

async function waitForEnd(work: Promise<unknown>): Promise<void> {
  await Promise.allSettled([work]);
}

/** @param isRepeated the end was reported before, and that report may have arrived */
function describeRefusal(isRepeated: boolean): string {
  return isRepeated
    ? 'the end of a task was refused when it was reported again: the first report may have arrived, or the lease was lost'
    : 'the end of a task was refused: its lease was lost';
}

function isMisconfigured(error: unknown): boolean {
  return error instanceof FathomError && error.code === 'config.invalid';
}
