import type { z } from 'zod';
import type { NewSchedule, Schedule, ScheduledTask } from '../../shared/api/schedules.ts';
import { allDatabasesSchema, scheduledTaskSchema } from '../../shared/api/schedules.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { newRecordId } from '../../shared/record-id.ts';
import { unknownUser } from '../accounts/user-repository.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { firstRun, invalidCron, nextRun } from '../base/time/cron.ts';
import { type Loop, startLoop } from '../base/time/repeat.ts';
import { Spread, type SpreadSchedule } from './spread.ts';
import type { HookClient } from './store/hook-client.ts';
import type { TaskStore } from './store/task-store.ts';

/** Longest sleep, so that schedules are not late for long after the host was suspended. */
const MAX_SLEEP_MS = 30_000;
/** A clock that is set back by less than this does not move a schedule, so that no run occurs twice. */
const CLOCK_TOLERANCE_MS = 300_000;
/** How often a schedule over all databases adds tasks at most. */
const SPREAD_STEP_MS = 1_000;

/** A database that schedules over all databases add tasks for. */
export interface ScheduledDatabase {
  name: string;
  /** Id of its owner. */
  user: string;
}

export interface SchedulesDeps {
  hooks: HookClient;
  store: TaskStore;
  clock: Clock;
  log: Logger;
  /** Returns why a task will fail, or null. */
  predictFailure: (task: ScheduledTask) => string | null;
  onTask: () => void;
  /** Without stopped and archived ones. */
  listDatabases: () => ScheduledDatabase[];
}

/**
 * Adds the tasks of schedules when they are due. The next run is stored. After a downtime a missed schedule runs once, and
 * its next run counts from now. While the task of the last run is not finished, no second one is added. A schedule over all
 * databases does the same for each database, at the times of `Spread`.
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
  async set(name: string, { cron, timezone, task, all_databases }: NewSchedule): Promise<Schedule> {
    const now = this.#deps.clock.now();
    const first = firstRun(cron, timezone, now);
    if (all_databases) requireNoUser(task);
    const spread = all_databases && Spread.around({ name, cron, timezone, ...all_databases }, now);
    const next = spread ? new Date(spread.nextMs(this.#databaseNames())) : first;
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
      all_databases: all_databases ? JSON.stringify(all_databases) : null,
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
    const warning = success ? this.#predictFailure(schedule, data) : null;
    const error = this.#problems.get(schedule.name);
    return {
      ...schedule,
      // With another form, `error` says so.
      all_databases: allDatabasesSchema.safeParse(schedule.all_databases).data ?? null,
      ...(warning === null ? {} : { warning }),
      ...(error === undefined ? {} : { error }),
    };
  }

  #predictFailure({ all_databases }: Schedule, task: ScheduledTask): string | null {
    if (all_databases === null) return this.#deps.predictFailure(task);
    const [database] = this.#deps.listDatabases();
    return database ? this.#deps.predictFailure({ ...task, user_id: database.user }) : null;
  }

  #databaseNames(): string[] {
    return this.#deps.listDatabases().map(({ name }) => name);
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
        waitMs = Math.min(waitMs, await this.#runSchedule(schedule));
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

  /** As `#runIfDue`. Administrators can edit what is stored. */
  async #runSchedule(schedule: Schedule): Promise<number> {
    const now = this.#deps.clock.now();
    if (schedule.all_databases === null) return this.#runIfDue(schedule, now);
    const { spread_s } = parseStored(allDatabasesSchema, schedule.all_databases);
    return this.#runSpread(schedule, { ...schedule, spread_s }, now);
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
    if (next === null) throw neverAgain(schedule);
    return next.getTime() - now.getTime();
  }

  /**
   * Adds the tasks of the databases whose time has come since the last run. Returns the milliseconds until the next time.
   *
   * @throws FathomError with the reason why it does not run
   */
  async #runSpread(schedule: Schedule, times: SpreadSchedule, now: Date): Promise<number> {
    const { name, next_run_at } = schedule;
    const databases = this.#deps.listDatabases();
    const names = databases.map((database) => database.name);
    const spread = Spread.around(times, now);
    if (spread === null) throw neverAgain(schedule);
    const nextMs = spread.nextMs(names);
    const stored = { name, expected: next_run_at ?? '', next: new Date(nextMs).toISOString() };
    const dueMs = next_run_at === null ? now.getTime() : Date.parse(next_run_at);
    if (dueMs <= now.getTime()) {
      const task = this.#deps.store.toRow(parseStored(scheduledTaskSchema, schedule.task));
      const due = databases.filter((database) => (spread.lastMs(database.name) ?? 0) >= dueMs);
      const { added } = await this.#deps.hooks.call('fire-all', {
        ...stored,
        task,
        databases: due.map((database) => ({
          id: newRecordId(),
          user_id: database.user,
          unique_key: `cron:${name}:${database.name}`,
        })),
      });
      if (added > 0) this.#deps.onTask();
    } else {
      const later = Spread.around(times, new Date(now.getTime() + CLOCK_TOLERANCE_MS));
      if (later === null || dueMs <= later.nextMs(names)) return dueMs - now.getTime();
      // A database is new, or the clock was ahead when the next run was stored.
      await this.#deps.hooks.call('reschedule', stored);
    }
    return Math.max(SPREAD_STEP_MS, nextMs - now.getTime());
  }

  async #addTask(schedule: Schedule, next: Date | null): Promise<void> {
    const { name, next_run_at } = schedule;
    const scheduled = parseStored(scheduledTaskSchema, schedule.task);
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

/** @throws FathomError `request.invalid` */
function parseStored<Schema extends z.ZodType>(schema: Schema, stored: unknown): z.output<Schema> {
  const parsed = schema.safeParse(stored);
  if (parsed.success) return parsed.data;
  throw new FathomError('request.invalid', `it is not valid: ${messageOf(parsed.error)}`);
}

/** @throws FathomError `request.invalid` for a task with a user or a key, which all databases would share */
function requireNoUser(task: ScheduledTask): void {
  const set = (['user_id', 'unique_key'] as const).filter((name) => task[name] !== undefined);
  if (set.length === 0) return;
  throw new FathomError('request.invalid', `a schedule over all databases has no ${set.join(' and no ')}`, {
    fields: set.map((name) => ({ path: `task.${name}`, message: 'leave it out with all_databases' })),
  });
}

function neverAgain({ name, cron }: Schedule): FathomError {
  return invalidCron(
    `'${cron}' never matches a date again; set another one, or remove it with 'fathomd queue unschedule ${name}'`,
  );
}
