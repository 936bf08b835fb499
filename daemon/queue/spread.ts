import type { Schedule } from '../../shared/api/schedules.ts';
import { nextRun, previousRun } from '../base/time/cron.ts';
import { fractionOf } from '../base/time/fraction.ts';

/** A match of a cron expression, and the next one, in milliseconds since 1970. */
interface Interval {
  fromMs: number;
  toMs: number;
}

/** The part of a schedule that decides when its databases are due. */
export type SpreadSchedule = Pick<Schedule, 'name' | 'cron' | 'timezone'> & { spread_s: number };

/**
 * The times of a schedule over all databases, around one moment. After each match of the expression, each database has one time
 * before `spread_s` has passed and before the next match. It depends on the names alone, so a restart does not change it.
 */
export class Spread {
  readonly #schedule: SpreadSchedule;
  readonly #nowMs: number;
  /** Before the current one; null for the first. */
  readonly #previous: Interval | null;
  readonly #current: Interval;
  /** After the current one; null for the last. */
  readonly #next: Interval | null;

  private constructor(
    schedule: SpreadSchedule,
    now: Date,
    [previous, current, next]: readonly [Interval | null, Interval, Interval | null],
  ) {
    this.#schedule = schedule;
    this.#nowMs = now.getTime();
    this.#previous = previous;
    this.#current = current;
    this.#next = next;
  }

  /** Returns null when the expression does not match again. @throws FathomError `request.invalid` */
  static around(schedule: SpreadSchedule, now: Date): Spread | null {
    const { cron, timezone } = schedule;
    const next = nextRun(cron, timezone, now);
    if (next === null) return null;
    const last = previousRun(cron, timezone, next) ?? now;
    return new Spread(schedule, now, [
      intervalOf(previousRun(cron, timezone, last), last),
      { fromMs: last.getTime(), toMs: next.getTime() },
      intervalOf(next, nextRun(cron, timezone, next)),
    ]);
  }

  /** Milliseconds since 1970 of the last time of a database until now; null before its first one. */
  lastMs(database: string): number | null {
    const current = this.#timeIn(this.#current, database);
    if (current <= this.#nowMs) return current;
    return this.#previous && this.#timeIn(this.#previous, database);
  }

  /** Milliseconds since 1970 of the next time of any of the databases; without databases, that of the expression. */
  nextMs(databases: readonly string[]): number {
    let least = Number.POSITIVE_INFINITY;
    for (const database of databases) {
      const current = this.#timeIn(this.#current, database);
      if (current > this.#nowMs) least = Math.min(least, current);
      else if (this.#next) least = Math.min(least, this.#timeIn(this.#next, database));
    }
    return Number.isFinite(least) ? least : this.#current.toMs;
  }

  #timeIn({ fromMs, toMs }: Interval, database: string): number {
    const { name, spread_s } = this.#schedule;
    const windowMs = Math.min(spread_s * 1000, toMs - fromMs);
    return fromMs + Math.floor(fractionOf(`${name}/${database}`) * windowMs);
  }
}

function intervalOf(from: Date | null, to: Date | null): Interval | null {
  return from && to && { fromMs: from.getTime(), toMs: to.getTime() };
}
