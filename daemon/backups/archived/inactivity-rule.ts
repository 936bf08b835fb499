import type { Inactivity } from '../../usage/inactivity-table.ts';

export const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

export type Notice = 'week' | 'day';

/** The next step for a database, and when it is archived. */
export interface InactivityStep {
  kind: 'none' | 'notice' | 'archive';
  /** Set for `notice`. */
  notice: Notice | null;
  /** Not before this time. Later notices can delay it. */
  archiveAtMs: number;
  /** When the owner got the last notice; null when not yet. */
  noticedAtMs: number | null;
}

/**
 * Decides what happens to a database that is not used:
 *
 *   used ──(days - 7)──▶ notice ──(6 days)──▶ notice ──(1 day)──▶ archive
 *     ▲                     │                    │
 *     └──────── used ───────┴────────────────────┘
 *
 * A notice counts only within the last week of the count. A use, and a longer time in the setting, move that week, so earlier
 * notices do not count. Each notice that is late delays the archiving.
 *
 * @param options.days DATABASE_INACTIVE_DAYS
 * @param options.lastUsedAtMs null when no use is known
 */
export function nextStep({
  nowMs,
  days,
  lastUsedAtMs,
  stored,
}: {
  nowMs: number;
  days: number;
  lastUsedAtMs: number | null;
  stored: Inactivity;
}): InactivityStep {
  const dueMs = Math.max(lastUsedAtMs ?? 0, stored.countedFromMs) + days * DAY_MS;
  const windowMs = dueMs - WEEK_MS;
  // Those in the future are of a clock that was wrong.
  const weekMs = valid(stored.weekNoticeAtMs, windowMs, nowMs);
  const dayMs = weekMs === null ? null : valid(stored.dayNoticeAtMs, weekMs, nowMs);
  const archiveAtMs = Math.max(dueMs, (weekMs ?? nowMs) + WEEK_MS, dayMs === null ? 0 : dayMs + DAY_MS);
  const common = { archiveAtMs, noticedAtMs: dayMs ?? weekMs };
  const none = { ...common, kind: 'none', notice: null } as const;
  if (nowMs < windowMs) return none;
  if (weekMs === null) return { ...common, kind: 'notice', notice: 'week' };
  if (dayMs === null) {
    if (nowMs < archiveAtMs - DAY_MS) return none;
    return { ...common, archiveAtMs: Math.max(archiveAtMs, nowMs + DAY_MS), kind: 'notice', notice: 'day' };
  }
  return nowMs < archiveAtMs ? none : { ...common, kind: 'archive', notice: null };
}

/**
 * Corrects what is stored after a jump of the clock, so that only time counts that has passed. Nothing is in the future afterwards.
 *
 * @param options.jumpMs negative for a clock that was set back
 */
export function afterJump(
  stored: Inactivity,
  { jumpMs, nowMs, lastUsedAtMs }: { jumpMs: number; nowMs: number; lastUsedAtMs: number | null },
): Inactivity {
  const moved = (atMs: number) => Math.min(atMs + jumpMs, nowMs);
  const { countedFromMs, weekNoticeAtMs, dayNoticeAtMs } = stored;
  // A use in the future of then was at another time of the clock.
  const isUseBefore = lastUsedAtMs !== null && lastUsedAtMs <= nowMs - jumpMs;
  return {
    ...stored,
    countedFromMs: moved(isUseBefore ? Math.max(countedFromMs, lastUsedAtMs) : countedFromMs),
    weekNoticeAtMs: weekNoticeAtMs === null ? null : moved(weekNoticeAtMs),
    dayNoticeAtMs: dayNoticeAtMs === null ? null : moved(dayNoticeAtMs),
  };
}

function valid(atMs: number | null, fromMs: number, nowMs: number): number | null {
  return atMs !== null && atMs >= fromMs && atMs <= nowMs ? atMs : null;
}
