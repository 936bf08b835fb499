import type { KeepRule } from '../../config/backup-keep.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DAYS_OF_A_WEEK = 7;

export interface KeptCandidate {
  id: string;
  /** By the clock of the host that made it. */
  createdAt: Date;
  /** By the clock of the target. */
  storedAt: Date;
  /** It is not known as damaged. */
  isUndamaged: boolean;
}

/**
 * Chooses the backups to keep: the newest of each of the last N hours, days, weeks, months and years that have a backup. An
 * idle database, which gets no new backups, so loses none.
 *
 * Undamaged backups are also chosen among themselves: damaged ones never displace them. The newest one is
 * always kept, by the clock of the host and by that of the target: after a clock went back, the last backup that was made has
 * an early time.
 *
 * @param timezone IANA name, in which days begin
 * @returns ids
 */
export function chooseKept(backups: readonly KeptCandidate[], rule: KeepRule, timezone: string): Set<string> {
  const sorted = backups.toSorted(
    (a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1),
  );
  const undamaged = sorted.filter(({ isUndamaged }) => isUndamaged);
  const newest = [sorted, undamaged].flatMap((all) => [
    ...all.slice(0, 1),
    ...all.toSorted((a, b) => b.storedAt.getTime() - a.storedAt.getTime()).slice(0, 1),
  ]);
  const periods = periodsIn(timezone);
  const kept = new Set(newest.map(({ id }) => id));
  for (const unit of Object.keys(periods) as (keyof KeepRule)[]) {
    for (const all of [sorted, undamaged]) {
      for (const id of newestOfEach(all, periods[unit], rule[unit])) kept.add(id);
    }
  }
  return kept;
}

/** @param sorted the newest first */
function newestOfEach(
  sorted: readonly KeptCandidate[],
  periodOf: (time: Date) => string,
  count: number,
): string[] {
  const newest = new Map<string, string>();
  for (const { id, createdAt } of sorted) {
    const period = periodOf(createdAt);
    if (!newest.has(period)) newest.set(period, id);
    if (newest.size > count) break;
  }
  return [...newest.values()].slice(0, count);
}

/** Names of the periods in which a time lies. */
function periodsIn(timezone: string): Record<keyof KeepRule, (time: Date) => string> {
  const format = new Intl.DateTimeFormat('en', {
    timeZone: timezone,
    calendar: 'iso8601',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  const dateOf = (time: Date) => {
    const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, value]));
    return `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`;
  };
  return {
    // Hours of the clock occur twice when daylight saving ends.
    hours: (time) => String(Math.floor(time.getTime() / HOUR_MS)),
    days: dateOf,
    weeks: (time) => {
      const day = Math.floor(Date.parse(dateOf(time)) / DAY_MS);
      // 1970-01-01 was a Thursday; weeks begin on Monday.
      return String(Math.floor((day + 3) / DAYS_OF_A_WEEK));
    },
    months: (time) => dateOf(time).slice(0, '2024-01'.length),
    years: (time) => dateOf(time).slice(0, '2024'.length),
  };
}
