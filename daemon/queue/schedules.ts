import { z } from 'zod';
import type { NewSchedule, Schedule, ScheduledTask } from '../../shared/api/schedules.ts';
import { scheduledTaskSchema } from '../../shared/api/schedules.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { newRecordId } from '../../shared/record-id.ts';
import { unknownUser } from '../accounts/user-repository.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { firstRun, invalidCron, nextRun } from '../base/time/cron.ts';
import { type Loop, startLoop } from '../base/time/repeat.ts';
import type { HookClient } from './store/hook-client.ts';
import type { TaskStore } from './store/task-store.ts';

/** Longest sleep, so that schedules are not late for long after the host was suspended. */
const MAX_SLEEP_MS = 30_000;
/** A clock that is set back by less than this does not move a schedule, so that no run occurs twice. */
const CLOCK_TOLERANCE_MS = 300_000;
export interface SchedulesDeps {
  hooks: HookClient;
  store: TaskStore;
  clock: Clock;
  log: Logger;
  /** Returns why a task will fail, or null. */
  predictFailure: (task: ScheduledTask) => string | null;
  onTask: () => void;
}

/**
 * Adds the tasks of schedules when they are due. The next run is stored. After a downtime a missed schedule runs once, and
 * its next run counts from now. While the task of the last run is not finished, no second one is added.
 */
export class Schedules {
  readonly #deps: SchedulesDeps;
  /** Why schedules do not run, by name. */
  #problems = new Map<string, string>();
  #loop: Loop | null = null;

  constructor(deps: SchedulesDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop = startLoop(this.#deps.clock, (stopping) => this.#run(stopping));
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  async list(): Promise<Schedule[]> {
    return (await this.#all()).map((schedule) => this.#withDiagnosis(schedule));
  }

  /** Creates or replaces a schedule. @throws FathomError `request.invalid`, `not_found` for an unknown user */
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
    this.#loop?.wake();
    return this.#withDiagnosis(item);
  }

  /** @throws FathomError `not_found` */
  async remove(name: string): Promise<void> {
    const { removed } = await this.#deps.hooks.call('unschedule', { name });
    if (!removed) throw new FathomError('not_found', `there is no schedule named '${name}'`);
  }

  async #all(): Promise<Schedule[]> {
    return (await this.#deps.hooks.call('schedules', {})).items;
  }

  #withDiagnosis(schedule: Schedule): Schedule {
    const { success, data } = scheduledTaskSchema.safeParse(schedule.task);
    const warning = success ? this.#deps.predictFailure(data) : null;
    const error = this.#problems.get(schedule.name);
    return {
      ...schedule,
      ...(warning === null ? {} : { warning }),
      ...(error === undefined ? {} : { error }),
    };
  }

  /** Returns the milliseconds to the next run. */
  async #run(stopping: AbortSignal): Promise<number> {
    try {
      return Math.min(MAX_SLEEP_MS, await this.#runDue(stopping));
    } catch (error) {
      this.#deps.log.warn(`cannot read the schedules: ${messageOf(error)}`);
      return MAX_SLEEP_MS;
    }
  }

  /** Runs due schedules. Returns the milliseconds until the next one is due. A failure does not affect other schedules. */
  async #runDue(stopping: AbortSignal): Promise<number> {
    const problems = new Map<string, string>();
    let waitMs = Number.POSITIVE_INFINITY;
    for (const schedule of await this.#all()) {
      if (stopping.aborted) break;
      const { name } = schedule;
      try {
        waitMs = Math.min(waitMs, await this.#runIfDue(schedule, this.#deps.clock.now()));
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
   * Runs one schedule if it is due. Returns the milliseconds until its next run.
   *
   * @throws FathomError with the reason why it does not run
   */
  async #runIfDue(schedule: Schedule, now: Date): Promise<number> {
    const { name, cron, timezone, next_run_at } = schedule;
    const next = nextRun(cron, timezone, now);
    const due = next_run_at === null ? Number.POSITIVE_INFINITY : Date.parse(next_run_at);
    if (due <= now.getTime()) {
      await this.#addTask(schedule, next);
    } else if (next !== null && due > (latestRun(cron, timezone, now) ?? due)) {
      // The clock was ahead when the next run was stored: it is later than the expression allows now.
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

  async #addTask({ name, task: stored, next_run_at }: Schedule, next: Date | null): Promise<void> {
    const parsed = scheduledTaskSchema.safeParse(stored);
    if (!parsed.success) {
      throw new FathomError('request.invalid', `its task is not valid: ${z.prettifyError(parsed.error)}`);
    }
    const scheduled = parsed.data;
    const { fired, task } = await this.#deps.hooks.call('fire', {
      name,
      expected: next_run_at ?? '',
      next: next?.toISOString() ?? '',
      task: this.#deps.store.toRow({ unique_key: `cron:${name}`, ...scheduled }),
    });
    if (task) this.#deps.onTask();
    else if (fired) {
      this.#deps.log.warn(
        `the schedule '${name}' has no task to add: ${unknownUser(scheduled.user_id).message}; 'fathomd queue unschedule ${name}' removes it`,
      );
    }
  }
}

/** Returns the latest time that can be stored as the next run by `now`, in milliseconds; null when there is none. */
function latestRun(cron: string, timezone: string, now: Date): number | null {
  const ahead = new Date(now.getTime() + CLOCK_TOLERANCE_MS);
  return nextRun(cron, timezone, ahead)?.getTime() ?? null;
}
