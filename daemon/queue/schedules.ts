import { Cron } from 'croner';
import { z } from 'zod';
import type { NewSchedule, Schedule, ScheduledTask } from '../../shared/api/schedules.ts';
import { scheduledTaskSchema } from '../../shared/api/schedules.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { newRecordId } from '../../shared/record-id.ts';
import { unknownUser } from '../accounts/user-repository.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { HookClient } from './store/hook-client.ts';
import type { TaskStore } from './store/task-store.ts';

/** Longest sleep, so that a host that was suspended is not late for long. */
const LOOK_EVERY_MS = 30_000;
/** A clock that was set back by less than this changes no schedule, so that no run comes twice. */
const CLOCK_TOLERANCE_MS = 300_000;
const FIELD_COUNTS: readonly number[] = [5, 6];

/**
 * The first time after `after` that a cron expression names in a time zone; null when there is none. A time that daylight
 * saving skips is run when the clock has been put forward; one that comes twice is run once.
 *
 * @throws FathomError `request.invalid`
 */
export function nextRun(cron: string, timezone: string, after: Date): Date | null {
  try {
    return new Cron(cron, { timezone, paused: true }).nextRun(after);
  } catch (error) {
    throw invalidCron(messageOf(error), error);
  }
}

/**
 * The first time of a new schedule. A time or a year makes no schedule: it would end.
 *
 * @throws FathomError `request.invalid`
 */
export function firstRun(cron: string, timezone: string, now: Date): Date {
  const fields = cron.trim().split(/\s+/);
  const isNickname = fields.length === 1 && cron.trim().startsWith('@');
  if (!isNickname && !FIELD_COUNTS.includes(fields.length)) {
    throw invalidCron(
      `'${cron}' has ${fields.length} field(s), a cron expression has five, or six with seconds first; for one run add a task with run_at ('fathomd queue add TYPE --run-at TIME')`,
    );
  }
  const next = nextRun(cron, timezone, now);
  if (!next) throw invalidCron(`'${cron}' never matches a date`);
  return next;
}

function invalidCron(message: string, cause?: unknown): FathomError {
  return new FathomError('request.invalid', `the schedule cannot be used: ${message}`, {
    cause,
    fields: [{ path: 'cron', message }],
  });
}

export interface SchedulesDeps {
  hooks: HookClient;
  store: TaskStore;
  clock: Clock;
  log: Logger;
  /** Why a task may come to nothing. */
  doubt: (task: ScheduledTask) => string | null;
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
  /** Why schedules do not run, by their names. */
  #problems = new Map<string, string>();
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
    return (await this.#all()).map((schedule) => this.#explained(schedule));
  }

  /** Adds it, or replaces the one of that name. @throws FathomError `request.invalid`, `not_found` for an unknown user */
  async set(name: string, { cron, timezone = 'UTC', task }: NewSchedule): Promise<Schedule> {
    const next = firstRun(cron, timezone, this.#deps.clock.now());
    if (typeof task.payload === 'object' && task.payload !== null && 'secrets' in task.payload) {
      throw new FathomError(
        'request.invalid',
        "the payload of a schedule is kept as it is; leave 'secrets' out",
      );
    }
    const { item } = await this.#deps.hooks.call('schedule', {
      id: newRecordId(),
      name,
      cron,
      timezone,
      task: JSON.stringify(task),
      user: task.user_id,
      next_run_at: next.toISOString(),
    });
    if (!item) throw unknownUser(task.user_id);
    this.#problems.delete(name);
    this.#wake.abort();
    return this.#explained(item);
  }

  /** @throws FathomError `not_found` */
  async remove(name: string): Promise<void> {
    const { removed } = await this.#deps.hooks.call('unschedule', { name });
    if (!removed) throw new FathomError('not_found', `there is no schedule named '${name}'`);
  }

  async #all(): Promise<Schedule[]> {
    return (await this.#deps.hooks.call('schedules', {})).items;
  }

  #explained(schedule: Schedule): Schedule {
    const { success, data } = scheduledTaskSchema.safeParse(schedule.task);
    const warning = success ? this.#deps.doubt(data) : null;
    const error = this.#problems.get(schedule.name);
    return {
      ...schedule,
      ...(warning === null ? {} : { warning }),
      ...(error === undefined ? {} : { error }),
    };
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

  /** Milliseconds until the next one is due. What one of them cannot do keeps no other from running. */
  async #fireDue(): Promise<number> {
    const problems = new Map<string, string>();
    let waitMs = Number.POSITIVE_INFINITY;
    for (const schedule of await this.#all()) {
      if (this.#stopped.signal.aborted) break;
      const { name } = schedule;
      try {
        waitMs = Math.min(waitMs, await this.#attend(schedule, this.#deps.clock.now()));
      } catch (error) {
        if (!(error instanceof FathomError) || error.code === 'control_plane.unavailable') throw error;
        problems.set(name, messageOf(error));
        if (this.#problems.get(name) !== messageOf(error)) {
          this.#deps.log.warn({ schedule: name }, `the schedule '${name}' does not run: ${messageOf(error)}`);
        }
      }
    }
    this.#problems = problems;
    return waitMs;
  }

  /**
   * Fires one schedule if it is due; milliseconds until it is.
   *
   * @throws FathomError with the reason why it does not run
   */
  async #attend(schedule: Schedule, now: Date): Promise<number> {
    const { name, cron, timezone, next_run_at } = schedule;
    const next = nextRun(cron, timezone, now);
    const due = next_run_at === null ? Number.POSITIVE_INFINITY : Date.parse(next_run_at);
    if (due <= now.getTime()) {
      await this.#fire(schedule, next);
    } else if (next !== null && due > (latestRun(cron, timezone, now) ?? due)) {
      // The clock was ahead when this was written: no run can be later than the next one.
      const { moved } = await this.#deps.hooks.call('reschedule', {
        name,
        expected: next_run_at ?? '',
        next: next.toISOString(),
      });
      if (moved)
        this.#deps.log.warn(
          { schedule: name },
          `the clock was set back: '${name}' runs at ${next.toISOString()}`,
        );
    } else if (due !== Number.POSITIVE_INFINITY) {
      return due - now.getTime();
    }
    if (next === null) {
      throw invalidCron(
        `'${cron}' never matches a date again; set another one, or remove it with 'fathomd queue unschedule ${name}'`,
      );
    }
    return next.getTime() - now.getTime();
  }

  async #fire({ name, task: stored, next_run_at }: Schedule, next: Date | null): Promise<void> {
    const parsed = scheduledTaskSchema.safeParse(stored);
    if (!parsed.success) {
      throw new FathomError('request.invalid', `its task is not valid: ${z.prettifyError(parsed.error)}`);
    }
    const wanted = parsed.data;
    const { fired, task } = await this.#deps.hooks.call('fire', {
      name,
      expected: next_run_at ?? '',
      next: next?.toISOString() ?? '',
      task: this.#deps.store.row({ unique_key: `cron:${name}`, ...wanted }),
    });
    if (task) this.#deps.onTask();
    else if (fired) {
      this.#deps.log.warn(
        `the schedule '${name}' has no task to add: ${unknownUser(wanted.user_id).message}; 'fathomd queue unschedule ${name}' removes it`,
      );
    }
  }
}

/** The latest time that can have been written as the next run by `now`, in milliseconds; null when there is none. */
function latestRun(cron: string, timezone: string, now: Date): number | null {
  const ahead = new Date(now.getTime() + CLOCK_TOLERANCE_MS);
  return nextRun(cron, timezone, ahead)?.getTime() ?? null;
}
