import { Cron } from 'croner';
import { FathomError, messageOf } from '../../../shared/errors.ts';

const FIELD_COUNTS: readonly number[] = [5, 6];

/**
 * Returns the first match of a cron expression after `after` in a time zone; null when there is none. A time that daylight
 * saving skips runs after the change; one that occurs twice runs once.
 *
 * @throws FathomError `request.invalid`
 */
export function nextRun(cron: string, timezone: string, after: Date): Date | null {
  return parseCron(cron, timezone).nextRun(after);
}

/** Returns the last match before `before`; null when there is none. @throws FathomError `request.invalid` */
export function previousRun(cron: string, timezone: string, before: Date): Date | null {
  return parseCron(cron, timezone).previousRuns(1, before)[0] ?? null;
}

/**
 * Returns the first run of a new schedule. Expressions with a year or a single time are refused, because they end.
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

function parseCron(cron: string, timezone: string): Cron {
  try {
    const parsed = new Cron(cron, { timezone, paused: true });
    // An unknown time zone is noticed by the first calculation.
    parsed.nextRun();
    return parsed;
  } catch (error) {
    throw invalidCron(messageOf(error), error);
  }
}

export function invalidCron(message: string, cause?: unknown): FathomError {
  return new FathomError('request.invalid', `the schedule cannot be used: ${message}`, {
    cause,
    fields: [{ path: 'cron', message }],
  });
}
