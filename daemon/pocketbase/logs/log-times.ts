import type { LogLine } from '../../../shared/events.ts';

/** The time at the start of a line of Go's `log`, in the time zone of the daemon and its instances. */
const STAMP = /^(\d{4})\/(\d{2})\/(\d{2}) (\d{2}):(\d{2}):(\d{2})/;

/**
 * Adds a time to lines from a log file: the time in the line, else the time of the line before it, else the first time in
 * a later line, else `readAt`.
 */
export function withTimes(lines: readonly string[], readAt: Date): LogLine[] {
  const stamps = lines.map((text) => stampOf(text, readAt));
  let at = stamps.find((stamp) => stamp !== null) ?? readAt.toISOString();
  return lines.map((text, index) => {
    at = stamps[index] ?? at;
    return { at, text };
  });
}

/** Null without a time, and for a time in the future: then the clock was changed, or the text is not a time. */
function stampOf(text: string, readAt: Date): string | null {
  const parts = STAMP.exec(text)?.slice(1).map(Number);
  if (parts === undefined) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const at = new Date(year, month - 1, day, hour, minute, second);
  return at > readAt ? null : at.toISOString();
}
