import { nextRun, previousRun } from '../../base/time/cron.ts';
import { fractionOf } from '../../base/time/fraction.ts';
import type { BackupSchedule } from '../../config/backups.ts';
import { CONTROL_PLANE } from '../manifest.ts';

const HOUR_MS = 3_600_000;
/** A backup may take so much longer than the time between two. */
const TOLERANCE_MS = 2 * HOUR_MS;

/** The times of a schedule around a moment. */
export interface Run {
  start: Date;
  next: Date;
}

/**
 * When databases are due. They are spread over an hour, or half of the time until the next run. A database keeps its place. The
 * control plane is the last, so that it names every database that was backed up before.
 */
export class DueTimes {
  readonly #schedule: BackupSchedule;
  #run: Run | null = null;
  /** Where databases lie in a run. Forgotten with each run, because databases are deleted. */
  readonly #places = new Map<string, number>();

  constructor(schedule: BackupSchedule) {
    this.#schedule = schedule;
  }

  /** The run that has begun last, and the next one. Null before the first. */
  runAt(now: Date): Run | null {
    const known = this.#run;
    if (known && known.start <= now && now < known.next) return known;
    const { cron, timezone } = this.#schedule;
    // The previous run of a moment does not include the moment itself.
    const start = previousRun(cron, timezone, new Date(now.getTime() + 1));
    const next = nextRun(cron, timezone, now);
    this.#run = start && next ? { start, next } : null;
    this.#places.clear();
    return this.#run;
  }

  /** When a database is due in a run. */
  dueIn(run: Run, database: string): Date {
    const window = Math.min(HOUR_MS, (run.next.getTime() - run.start.getTime()) / 2);
    const place = this.#places.get(database) ?? (database === CONTROL_PLANE ? 1 : fractionOf(database));
    this.#places.set(database, place);
    return new Date(run.start.getTime() + Math.floor(window * place));
  }

  /** Age of a backup above which it is late: 26 hours for a daily schedule. */
  lateAfterMs(run: Run): number {
    return run.next.getTime() - run.start.getTime() + TOLERANCE_MS;
  }
}
