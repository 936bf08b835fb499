const DAY_MS = 86_400_000;
/** The growth of this time counts. */
const WINDOW_MS = 7 * DAY_MS;
/** Over a shorter time, the growth of a day is not known. */
const MIN_SPAN_MS = DAY_MS / 2;
/** Later dates are of no use. */
const MAX_DAYS = 3650;

/** The size of a database at a time; null when it was not read. */
export interface SizeReading {
  atMs: number;
  diskBytes: number | null;
}

export interface Trend {
  /** Change of the size per day over the last week; null while it is not known. */
  bytesPerDay: number | null;
  /** Null when the limit will not be reached, or it is not known. */
  daysUntilLimit: number | null;
}

/**
 * The growth of a database, and when it reaches its limit if it goes on.
 *
 * @param readings daily, the oldest first
 */
export function trendOf(readings: readonly SizeReading[], limit: number | null): Trend {
  const known = readings.filter(({ diskBytes }) => diskBytes !== null);
  const last = known.at(-1);
  if (last === undefined) return { bytesPerDay: null, daysUntilLimit: null };
  const lastBytes = last.diskBytes ?? 0;
  const first = known.find(({ atMs }) => last.atMs - atMs <= WINDOW_MS) ?? last;
  const spanMs = last.atMs - first.atMs;
  const bytesPerDay =
    spanMs < MIN_SPAN_MS ? null : Math.round((lastBytes - (first.diskBytes ?? 0)) / (spanMs / DAY_MS));
  return { bytesPerDay, daysUntilLimit: daysUntil(lastBytes, limit, bytesPerDay) };
}

function daysUntil(bytes: number, limit: number | null, bytesPerDay: number | null): number | null {
  if (limit === null) return null;
  if (bytes >= limit) return 0;
  if (bytesPerDay === null || bytesPerDay <= 0) return null;
  const days = Math.round(((limit - bytes) / bytesPerDay) * 10) / 10;
  return days > MAX_DAYS ? null : days;
}
