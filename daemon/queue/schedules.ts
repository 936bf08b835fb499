import { Cron } from 'croner';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { NewSchedule, Schedule, ScheduledTask } from '../../shared/task.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { AddedTask } from './claimed-task.ts';
import type { HookClient } from './hook-client.ts';
import { newId, type TaskStore, unknownUser } from './task-store.ts';

/** Longest sleep, so that a host that was suspended is not late for long. */
const LOOK_EVERY_MS = 30_000;

/**
 * The first time after `after` that a cron expression names in a time zone. A time that daylight saving skips is run when
 * the clock has been put forward; one that comes twice is run once.
 *
 * @throws FathomError `request.invalid`
 */
export function nextRun(cron: string, timezone: string, after: Date): Date {
  let next: Date | null;
  try {
    next = new Cron(cron, { timezone, paused: true }).nextRun(after);
  } catch (error) {
    throw new FathomError('request.invalid', `the schedule cannot be used: ${messageOf(error)}`, {
      cause: error,
      fields: [{ path: 'cron', message: messageOf(error) }],
    });
  }
  if (!next) throw new FathomError('request.invalid', `'${cron}' never comes again; write one that does`);
  return next;
}

export interface SchedulesDeps {
  hooks: HookClient;
  store: TaskStore;
  clock: Clock;
  log: Logger;
  /** Why tasks of a type may come to nothing. */
  doubt: (type: string) => string | null;
  onTask: () => void;
}

/**
 * Adds the tasks of schedules when they are due. What is due is written down, so that a daemon that was down makes up for
 * what it missed, once: the next time is counted from now. While the task of the last time is not finished, no second one
 * is added.
 */
export class Schedules {
  readonly #deps: SchedulesDeps;
  readonly #stopped = new AbortController();
  #wake = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(deps: SchedulesDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake.abort();
    await this.#loop;
  }

  async list(): Promise<Schedule[]> {
    return (await this.#all()).map((schedule) => this.#withWarning(schedule));
  }

  /** Adds it, or replaces the one of that name. @throws FathomError `request.invalid`, `not_found` for an unknown user */
  async set(name: string, { cron, timezone = 'UTC', task }: NewSchedule): Promise<Schedule> {
    const next = nextRun(cron, timezone, this.#deps.clock.now());
    if (typeof task.payload === 'object' && task.payload !== null && 'secrets' in task.payload) {
      throw new FathomError(
        'request.invalid',
        "the payload of a schedule is kept as it is; leave 'secrets' out",
      );
    }
    const { item } = await this.#deps.hooks.call<{ item: Schedule | null }>('schedule', {
      id: newId(),
      name,
      cron,
      timezone,
      task: JSON.stringify(task),
      user: task.user_id,
      next_run_at: next.toISOString(),
    });
    if (!item) throw unknownUser(task.user_id);
    this.#wake.abort();
    return this.#withWarning(item);
  }

  /** @throws FathomError `not_found` */
  async remove(name: string): Promise<void> {
    const { removed } = await this.#deps.hooks.call<{ removed: boolean }>('unschedule', { name });
    if (!removed) throw new FathomError('not_found', `there is no schedule named '${name}'`);
  }

  async #all(): Promise<Schedule[]> {
    return (await this.#deps.hooks.call<{ items: Schedule[] }>('schedules', {})).items;
  }

  #withWarning(schedule: Schedule): Schedule {
    const warning = this.#deps.doubt((schedule.task as ScheduledTask).type);
    return warning === null ? schedule : { ...schedule, warning };
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      this.#wake = new AbortController();
      let waitMs = LOOK_EVERY_MS;
      try {
        waitMs = Math.min(waitMs, await this.#fireDue());
      } catch (error) {
        this.#deps.log.warn(`the schedules cannot be looked at: ${messageOf(error)}`);
      }
      await this.#deps.clock.sleep(waitMs, this.#wake.signal);
    }
  }

  /** Milliseconds until the next one is due. */
  async #fireDue(): Promise<number> {
    const now = this.#deps.clock.now();
    let waitMs = Number.POSITIVE_INFINITY;
    for (const schedule of await this.#all()) {
      const due = Date.parse(schedule.next_run_at);
      if (due > now.getTime()) {
        waitMs = Math.min(waitMs, due - now.getTime());
        continue;
      }
      const next = nextRun(schedule.cron, schedule.timezone, now);
      waitMs = Math.min(waitMs, next.getTime() - now.getTime());
      const wanted = schedule.task as ScheduledTask;
      const { fired, task } = await this.#deps.hooks.call<AddedTask & { fired: boolean }>('fire', {
        name: schedule.name,
        expected: schedule.next_run_at,
        next: next.toISOString(),
        task: this.#deps.store.row({ unique_key: `cron:${schedule.name}`, ...wanted }),
      });
      if (!fired) continue;
      if (task) this.#deps.onTask();
      else {
        this.#deps.log.warn(
          `the schedule '${schedule.name}' has no task to add: ${unknownUser(wanted.user_id).message}; 'fathomd queue unschedule ${schedule.name}' removes it`,
        );
      }
    }
    return waitMs;
  }
}
