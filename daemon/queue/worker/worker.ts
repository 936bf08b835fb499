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
import { type AttemptEnd, afterRefusal, outcomeOf } from './attempt-end.ts';
import { Execution, type ExecutionDeps } from './execution.ts';
import { Heartbeat } from './heartbeat.ts';

/** Operations whose response can contain a claimed task. */
type ClaimingOperation = 'claim' | 'settle' | 'add-and-claim';

export interface WorkerDeps extends Omit<ExecutionDeps, 'onProgress'> {
  clock: Clock;
  log: Logger;
  random: () => number;
  hooks: HookClient;
  /** Tasks it takes at a time; how many run over all workers is the control plane's to say. */
  slots: number;
  /** The safety net, for what nobody told this worker. */
  pollIntervalMs: number;
  /** A claim or the end of a task changed something. */
  onActivity: () => void;
  /** An attempt ended. `outcome`: as it is told, or `lost` when the lease was. */
  onAttempt?: ((type: string, outcome: Outcome['kind'] | 'lost', seconds: number) => void) | undefined;
}

const RETRY_SETTLE_MS = 200;
/** Between two looks after one that failed. */
const RETRY_LOOK_MS = 1_000;
/** After a stop has given back what ran: for handlers to end or be killed, and for the ends of tasks to be kept. */
const GIVE_BACK_MS = 5_000;
/** For a renewal of leases that is under way at the end of a stop. */
const LAST_BEAT_MS = 1_000;

/**
 * Claims tasks and runs them. It looks for one when it is woken, when one it knows of becomes due, and now and then; the
 * end of a task brings the next one along.
 *
 *   started ──look──▶ claims until its slots are full or nothing is due ──▶ waits for wake, due time, poll
 *   each claim ──▶ execution ──settle──▶ the next task in the same slot, or none
 *   stop: claims nothing more, lets what runs finish within a bound, gives the rest back, and leaves what cannot be
 *         given back to the end of its lease
 */
export class Worker {
  readonly id = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  readonly #deps: WorkerDeps;
  readonly #heartbeat: Heartbeat;
  readonly #executions = new Set<Execution>();
  readonly #slots = new Map<symbol, Promise<void>>();
  /** It is up, and nobody has asked it to stop. */
  #taking = false;
  #stopped = false;
  /** It is stopped, and what is not kept by now is left to the end of its lease. */
  #abandoned = false;
  #wake = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  /** What this worker knows to have; the same task can come a second time before the end of the first is known. */
  readonly #held = new Set<ClaimedTask>();
  /** The answer to a request was lost, and with it perhaps a task. */
  #inDoubt = false;
  #asking: Promise<void> = Promise.resolve();

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
    this.#heartbeat = new Heartbeat({ ...deps, worker: this.id, executions: this.#executions });
  }

  /**
   * Resolves once a task could begin at once, or it was asked to stop; a control plane that is not there yet is waited for.
   *
   * @throws without runners; FathomError `config.invalid` when the control plane does not know this worker
   */
  async start(): Promise<void> {
    await this.#deps.runners.warm();
    if (this.#stopped) return;
    this.#taking = true;
    this.#heartbeat.start();
    const first = Promise.withResolvers<void>();
    this.#loop = this.#keepLooking(first);
    await first.promise;
    if (this.#taking)
      this.#deps.log.info({ worker: this.id, slots: this.#deps.slots }, 'the queue worker is up');
  }

  /** There may be something to do. */
  wake(): void {
    this.#wake.abort('woken');
  }

  /** Adds a task; in the same request that claims one, if it could begin one now: that halves the way to the handler. */
  async add(row: NewTaskRow): Promise<AddedTask> {
    const isFree = this.#taking && this.#slots.size < this.#deps.slots;
    // With a request under way, or its answer lost, it would have to wait.
    if (!isFree || this.#inDoubt) {
      const added = await this.#deps.hooks.call('enqueue', row);
      if (added.created) this.wake();
      return added;
    }
    const askedAtMs = this.#deps.clock.monotonic();
    const answer = this.#ask('add-and-claim', { row });
    // Of an error, whoever adds it hears.
    this.#occupy(
      answer.then(({ task }) => task).catch(() => null),
      askedAtMs,
    );
    return (await answer).added;
  }

  /** Stops the handler of a task, if it runs here. */
  cancel(taskId: string): void {
    for (const execution of this.#executions) if (execution.task.id === taskId) execution.cancel();
  }

  /**
   * Takes nothing more, waits for what runs, and gives back what has not ended `withinMs`. Ends at most `GIVE_BACK_MS` and
   * `LAST_BEAT_MS` after that, whatever the control plane does. Safe to call twice.
   */
  async stop(withinMs: number): Promise<void> {
    const { clock, log } = this.#deps;
    this.#stopped = true;
    this.#taking = false;
    this.wake();
    const idle = this.#idle();
    if (!(await settlesWithin(clock, withinMs, idle))) {
      for (const execution of this.#executions) execution.giveBack();
      if (!(await settlesWithin(clock, GIVE_BACK_MS, idle))) {
        this.#abandoned = true;
        const tasks = [...this.#executions].map(({ task }) => task.id);
        log.warn({ worker: this.id, tasks }, 'stopped without the ends of these tasks: their leases run out');
      }
    }
    await settlesWithin(clock, LAST_BEAT_MS, this.#heartbeat.stop());
  }

  async #idle(): Promise<void> {
    await this.#loop;
    while (this.#slots.size > 0) await Promise.all(this.#slots.values());
  }

  async #keepLooking(first: PromiseWithResolvers<void>): Promise<void> {
    let isUp = false;
    let trouble: string | null = null;
    while (this.#taking) {
      this.#wake = new AbortController();
      let waitMs = this.#deps.pollIntervalMs;
      try {
        const dueInMs = await this.#look();
        isUp = true;
        first.resolve();
        if (trouble !== null) this.#deps.log.info({ worker: this.id }, 'looks for tasks again');
        trouble = null;
        waitMs = Math.min(waitMs, dueInMs ?? waitMs);
      } catch (error) {
        // Waiting would not mend it.
        if (!isUp && isMisconfigured(error)) {
          this.#taking = false;
          first.reject(error);
          return;
        }
        // Said once, and not with every look.
        if (messageOf(error) !== trouble) {
          trouble = messageOf(error);
          this.#deps.log.warn({ worker: this.id }, `cannot look for tasks: ${trouble}`);
        }
        waitMs = Math.min(waitMs, RETRY_LOOK_MS);
      }
      await this.#deps.clock.sleep(waitMs, this.#wake.signal);
    }
    first.resolve();
  }

  /** Claims until the slots are full or nothing is due; milliseconds until the next task is. */
  async #look(): Promise<number | null> {
    while (this.#taking && this.#slots.size < this.#deps.slots) {
      const askedAtMs = this.#deps.clock.monotonic();
      const { task, due_in_ms } = await this.#ask('claim', { rescue: true });
      if (task === null) return due_in_ms;
      this.#occupy(Promise.resolve(task), askedAtMs);
    }
    return null;
  }

  /** `first` may still be on its way; it has the slot until it is known that there is none. */
  #occupy(first: Promise<ClaimedTask | null>, askedAtMs: number): void {
    const slot = Symbol('slot');
    this.#slots.set(slot, this.#fill(slot, first, askedAtMs));
  }

  async #fill(slot: symbol, first: Promise<ClaimedTask | null>, askedAtMs: number): Promise<void> {
    try {
      await this.#work(await first, askedAtMs);
    } catch (error) {
      this.#deps.log.error({ err: error, worker: this.id }, 'a slot of the queue worker failed');
    } finally {
      this.#slots.delete(slot);
      this.wake();
    }
  }

  /** One task after the other, until there is none. */
  async #work(first: ClaimedTask | null, firstAskedAtMs: number): Promise<void> {
    let task = first;
    let askedAtMs = firstAskedAtMs;
    while (task !== null) {
      this.#deps.onActivity();
      const execution: Execution = new Execution(task, askedAtMs, {
        ...this.#deps,
        onProgress: (reporting) => this.#heartbeat.report(reporting),
      });
      this.#executions.add(execution);
      // Asked to stop while the answer was on its way.
      if (!this.#taking) execution.giveBack();
      try {
        const end = await execution.run();
        askedAtMs = this.#deps.clock.monotonic();
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

  /** Tells how the attempt ended, for as long as the lease allows; the next task comes along. */
  async #settle(execution: Execution, end: AttemptEnd): Promise<ClaimedTask | null> {
    const { clock, log, random } = this.#deps;
    const { task } = execution;
    let outcome = outcomeOf(end, { task, worker: this.id, now: clock.now(), random });
    this.#logOutcome(task, outcome, end);
    this.#noteAttempt(execution, outcome.kind);
    let isUnsure = false;
    while (execution.holdsLease && !this.#abandoned) {
      try {
        const body = { id: task.id, epoch: task.epoch, outcome, claim: this.#taking };
        const answer = await this.#ask('settle', body, task);
        if (!answer.accepted) log.warn({ task: task.id }, refusal(isUnsure));
        return answer.task;
      } catch (error) {
        isUnsure = true;
        log.warn({ task: task.id }, `the end of a task could not be told: ${messageOf(error)}`);
        if (isRefused(error)) {
          const reason = messageOf(error);
          const next = afterRefusal(outcome, reason, { task, worker: this.id, now: clock.now() });
          if (next === null) {
            // Taken back, it would end in the same way at once, and again and again.
            this.#held.add({ ...task });
            break;
          }
          outcome = next;
        } else {
          await clock.sleep(RETRY_SETTLE_MS);
        }
      }
    }
    log.warn({ task: task.id }, 'the end of a task was not kept: its lease runs out');
    return null;
  }

  /**
   * One request after the other, so that what is known to be held here is all that can be. A task that came with a lost
   * answer is given back by the next request, which names those that are known.
   */
  #ask<Name extends ClaimingOperation>(
    operation: Name,
    body: Omit<QueueOperations[Name]['request'], 'worker' | 'lease_ms' | 'held'>,
    settled?: ClaimedTask,
  ): Promise<QueueOperations[Name]['response']> {
    const answer = this.#asking.then(async () => {
      if (this.#abandoned) throw new FathomError('control_plane.unavailable', 'the worker has stopped');
      const held = this.#inDoubt ? { held: [...this.#held].map(({ id, epoch }) => `${id}:${epoch}`) } : {};
      this.#inDoubt = true;
      const request = { worker: this.id, lease_ms: this.#deps.leaseMs, ...held, ...body };
      const received = await this.#deps.hooks.call(operation, request);
      this.#inDoubt = false;
      if (settled !== undefined) this.#held.delete(settled);
      if (received.task) this.#held.add(received.task);
      return received;
    });
    this.#asking = ended(answer);
    return answer;
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

async function ended(work: Promise<unknown>): Promise<void> {
  await Promise.allSettled([work]);
}

/** @param isUnsure it was told before, and may have arrived */
function refusal(isUnsure: boolean): string {
  return isUnsure
    ? 'the end of a task was refused when it was told again: it may have arrived the first time, or the lease was lost'
    : 'the end of a task was refused: its lease was lost';
}

function isMisconfigured(error: unknown): boolean {
  return error instanceof FathomError && error.code === 'config.invalid';
}
