import { UsageError } from './usage-error.ts';

const CLOCK = /^\d{1,2}:\d{2}(?::\d{2})?$/;
const FULL = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?$/;

/**
 * Parses `14:05:30` of today, or `2026-11-27T14:05:30`, in the time zone of this host, or with `Z` or an offset at its end.
 *
 * @throws UsageError
 */
export function parseLocalTime(text: string, now: Date): Date {
  const time = CLOCK.test(text) ? ofToday(text, now) : FULL.test(text) ? ofDate(text) : null;
  if (time !== null && !Number.isNaN(time.getTime())) return time;
  throw new UsageError(`'${text}' is not a time; write it like 14:05:30 or 2026-11-27T14:05:30Z`);
}

/** A day that its month does not have would be one of the next month. */
function ofDate(text: string): Date | null {
  const [day = ''] = text.split(/[T ]/);
  const midnight = new Date(day);
  const isReal = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
  return isReal ? new Date(text.replace(' ', 'T')) : null;
}

function ofToday(text: string, now: Date): Date | null {
  const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number);
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  const time = new Date(now);
  time.setHours(hours, minutes, seconds, 0);
  return time;
}
