import type { LogLine } from '../../../shared/events.ts';

/** As Go's `log` begins a line, in the time zone of the process, which is the daemon's as well. */
const STAMP = /^(\d{4})\/(\d{2})\/(\d{2}) (\d{2}):(\d{2}):(\d{2})/;

/**
 * Lines that were read back from a file, with the best time there is for each: the one it begins with, else that of the
 * nearest line before it, else of the first one after it, else of the reading.
 */
export function timesOf(lines: readonly string[], readAt: Date): LogLine[] {
  const stamps = lines.map((text) => stampOf(text, readAt));
  let at = stamps.find((stamp) => stamp !== null) ?? readAt.toISOString();
  return lines.map((text, index) => {
    at = stamps[index] ?? at;
    return { at, text };
  });
}

/** Null for none, and for one that lies after the reading: then the clock was set, or it is no stamp. */
function stampOf(text: string, readAt: Date): string | null {
  const parts = STAMP.exec(text)?.slice(1).map(Number);
  if (parts === undefined) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const at = new Date(year, month - 1, day, hour, minute, second);
  return at > readAt ? null : at.toISOString();
}
