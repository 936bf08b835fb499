const DAY_MS = 86_400_000;
const TIME =
  /^(?:(?<day>\d{4}-\d{2}-\d{2})[T ])?(?<hour>\d{1,2}):(?<rest>\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(?: ?(?<zone>Z|[+-]\d{2}:\d{2}))?$/i;
const MAX_SHOWN = 40;

/**
 * Parses `14:05:30` of today, or `2026-11-27 14:05:30`, in the time zone of this process, or with `Z` or an offset at its end.
 *
 * @throws Error with a sentence that says what to write
 */
export function parseLocalTime(text: string, now: Date): Date {
  const { groups } = TIME.exec(text.trim()) ?? {};
  if (groups === undefined)
    throw new Error(
      `'${text.slice(0, MAX_SHOWN)}' is not a time; write it like 14:05:30, 2026-11-27 14:05:30 or 2026-11-27T14:05:30Z`,
    );
  const { day = dayOf(now), hour = '', rest, zone } = groups;
  const time = `${day}T${hour.padStart(2, '0')}:${rest}`;
  const wall = new Date(`${time}Z`);
  // A day that its month does not have would be one of the next month.
  const isReal = !Number.isNaN(wall.getTime()) && wall.toISOString().startsWith(time.slice(0, 16));
  const at = !isReal || zone === undefined ? wall : new Date(`${time}${zone.toUpperCase()}`);
  if (!isReal || Number.isNaN(at.getTime()))
    throw new Error(`'${text}' does not exist; correct the day, the time or the offset`);
  return zone === undefined ? ofWallClock(wall, time) : at;
}

/** @param wall the time as if it was UTC */
function ofWallClock(wall: Date, time: string): Date {
  const near = [wall.getTime() - DAY_MS, wall.getTime() + DAY_MS];
  const offsets = new Set(near.map((at) => new Date(at).getTimezoneOffset()));
  const found = [...offsets]
    .map((minutes) => new Date(wall.getTime() + minutes * 60_000))
    .filter((at) => offsets.has(at.getTimezoneOffset()) && wallClockOf(at) === wall.getTime());
  const [at, second] = found.toSorted((a, b) => a.getTime() - b.getTime());
  if (at === undefined)
    throw new Error(
      `${time.replace('T', ' ')} does not exist in ${localZone()}: the clocks were set forward; write an earlier or a later time`,
    );
  if (second !== undefined)
    throw new Error(
      `${time.replace('T', ' ')} is twice in ${localZone()}: the clocks were set back; write ${time}${offsetOf(at)} or ${time}${offsetOf(second)}`,
    );
  return at;
}

function wallClockOf(at: Date): number {
  return at.getTime() - at.getTimezoneOffset() * 60_000;
}

function dayOf(at: Date): string {
  return new Date(wallClockOf(at)).toISOString().slice(0, 10);
}

/** `+01:00` */
function offsetOf(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const clock = new Date(Math.abs(minutes) * 60_000).toISOString().slice(11, 16);
  return `${minutes < 0 ? '-' : '+'}${clock}`;
}

/** The name of the time zone of this process, like `Europe/Berlin`. */
export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `2026-11-27 14:05:30` in the time zone of this process. */
export function formatLocalTime(at: Date): string {
  return new Date(wallClockOf(at)).toISOString().slice(0, 19).replace('T', ' ');
}
