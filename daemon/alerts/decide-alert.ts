import { z } from 'zod';
import { type Observation, PROBLEM_CLASSES, type Problem, problemSchema } from './problem.ts';

/** A problem that ends earlier is never sent. */
export const SETTLE_MS = 60_000;
/** A problem has ended when it was away for this time, and for twice as long after each return. */
export const HOLD_MS = 5 * 60_000;
const MAX_HOLD_MS = 6 * 3_600_000;
/** How long an ended problem is remembered, to count its returns. */
export const REMEMBERED_MS = 24 * 3_600_000;
const MAX_REMEMBERED = 1_000;

const trackedSchema = z.object({
  /** As it was sent last; until then, as it was first seen. */
  problem: problemSchema,
  sinceMs: z.number(),
  /** Null while the problem lasts. */
  awaySinceMs: z.number().nullable(),
  /** The extent that was sent last; null until it is sent. */
  sentExtent: z.number().nullable(),
  /** When its end was sent; null before. */
  endSentMs: z.number().nullable(),
  returns: z.number(),
});

type Tracked = z.infer<typeof trackedSchema>;

/** What was sent and what is known. JSON, so that it outlives the daemon. */
export const alertStateSchema = z.object({
  tracked: z.array(trackedSchema),
  /** When the last alert was decided. */
  lastAlertMs: z.number().nullable(),
});

export type AlertState = z.infer<typeof alertStateSchema>;

export const EMPTY_STATE: AlertState = { tracked: [], lastAlertMs: null };

/** One message about everything that changed. */
export interface Alert {
  began: readonly Problem[];
  /** With the time for which it lasted. */
  ended: readonly (Problem & { durationMs: number })[];
  /** Problems that were sent and have not ended. */
  open: number;
}

export interface AlertRules {
  /** The least time between two alerts. */
  intervalMs: number;
  isQuiet: boolean;
}

/**
 * Decides what to send now. One problem:
 *
 *   seen ──(SETTLE_MS)──▶ sent ──(away for its hold)──▶ end sent ──(REMEMBERED_MS)──▶ forgotten
 *                          ▲                                │
 *                          └──── returns: the hold doubles ─┘
 *
 * @returns the next state, and an alert if something is due
 */
export function decideAlert(
  state: AlertState,
  { problems, unknown }: Observation,
  { nowMs, rules }: { nowMs: number; rules: AlertRules },
): { state: AlertState; alert: Alert | null } {
  const present = new Map(problems.map((problem) => [problem.key, problem]));
  const known = new Set(state.tracked.map(({ problem }) => problem.key));
  const tracked = [
    ...state.tracked
      .map((entry) => atMost(entry, nowMs))
      .map((entry) => {
        const isKnown = present.has(entry.problem.key) || !unknown.has(entry.problem.class);
        return isKnown ? observe(entry, present.has(entry.problem.key), nowMs) : entry;
      })
      .filter((entry) => !isForgotten(entry, nowMs)),
    ...[...present.values()].filter(({ key }) => !known.has(key)).map((problem) => begin(problem, nowMs)),
  ];

  const mayBeSent = ({ severity }: Problem) => !rules.isQuiet || severity === 'critical';
  const began = new Map(
    tracked.flatMap((entry) => {
      const problem = present.get(entry.problem.key);
      return problem && isNews(entry, problem, nowMs) && mayBeSent(problem)
        ? [[entry, problem] as const]
        : [];
    }),
  );
  const ended = new Set(tracked.filter((entry) => hasEnded(entry, nowMs) && mayBeSent(entry.problem)));
  const lastAlertMs = state.lastAlertMs === null ? null : Math.min(state.lastAlertMs, nowMs);
  const isDue = lastAlertMs === null || nowMs - lastAlertMs >= rules.intervalMs;
  if (!isDue || began.size + ended.size === 0)
    return { state: { tracked: bounded(tracked), lastAlertMs }, alert: null };

  const next = tracked.map((entry): Tracked => {
    const problem = began.get(entry);
    if (problem) return { ...entry, problem, sentExtent: problem.extent };
    return ended.has(entry) ? { ...entry, endSentMs: nowMs } : entry;
  });
  return {
    state: { tracked: bounded(next), lastAlertMs: nowMs },
    alert: {
      began: [...began.values()].toSorted(bySeverity),
      ended: [...ended]
        .map(({ problem, sinceMs, awaySinceMs }) => ({
          ...problem,
          durationMs: (awaySinceMs ?? nowMs) - sinceMs,
        }))
        .toSorted(bySeverity),
      open: next.filter(isOpen).length,
    },
  };
}

/** Problems that were sent and have not ended. */
export function isOpen({ sentExtent, endSentMs }: Tracked): boolean {
  return sentExtent !== null && endSentMs === null;
}

function begin(problem: Problem, nowMs: number): Tracked {
  return { problem, sinceMs: nowMs, awaySinceMs: null, sentExtent: null, endSentMs: null, returns: 0 };
}

function observe(entry: Tracked, isPresent: boolean, nowMs: number): Tracked {
  if (!isPresent) return { ...entry, awaySinceMs: entry.awaySinceMs ?? nowMs };
  if (entry.endSentMs === null) return { ...entry, awaySinceMs: null };
  return { ...begin(entry.problem, nowMs), returns: entry.returns + 1 };
}

/** New, more severe, or at least twice as far as when it was sent. */
function isNews({ sinceMs, sentExtent, problem: sent }: Tracked, problem: Problem, nowMs: number): boolean {
  if (sentExtent === null) return nowMs - sinceMs >= SETTLE_MS;
  if (problem.severity === 'critical' && sent.severity === 'warning') return true;
  return problem.extent > sentExtent && problem.extent >= 2 * sentExtent;
}

function hasEnded(entry: Tracked, nowMs: number): boolean {
  return isOpen(entry) && isAwayFor(entry, nowMs, holdOf(entry));
}

/** Its end was sent long ago, or it ended before it was sent. */
function isForgotten(entry: Tracked, nowMs: number): boolean {
  if (entry.endSentMs !== null) return nowMs - entry.endSentMs >= REMEMBERED_MS;
  return entry.sentExtent === null && isAwayFor(entry, nowMs, holdOf(entry));
}

function isAwayFor({ awaySinceMs }: Tracked, nowMs: number, ms: number): boolean {
  return awaySinceMs !== null && nowMs - awaySinceMs >= ms;
}

function holdOf({ returns }: Tracked): number {
  return Math.min(HOLD_MS * 2 ** returns, MAX_HOLD_MS);
}

/** A clock that was set back must not delay anything. */
function atMost(entry: Tracked, nowMs: number): Tracked {
  const { sinceMs, awaySinceMs, endSentMs } = entry;
  return {
    ...entry,
    sinceMs: Math.min(sinceMs, nowMs),
    awaySinceMs: awaySinceMs === null ? null : Math.min(awaySinceMs, nowMs),
    endSentMs: endSentMs === null ? null : Math.min(endSentMs, nowMs),
  };
}

/** Keeps the last ended problems; those that have not ended are as many as there are problems. */
function bounded(tracked: readonly Tracked[]): Tracked[] {
  const ended = tracked.filter(({ endSentMs }) => endSentMs !== null);
  if (ended.length <= MAX_REMEMBERED) return [...tracked];
  const kept = new Set(
    ended.toSorted((a, b) => (b.endSentMs ?? 0) - (a.endSentMs ?? 0)).slice(0, MAX_REMEMBERED),
  );
  return tracked.filter((entry) => entry.endSentMs === null || kept.has(entry));
}

function bySeverity(a: Problem, b: Problem): number {
  const [first, second] = [a, b].map((problem) => PROBLEM_CLASSES.indexOf(problem.class));
  return (first ?? 0) - (second ?? 0) || a.key.localeCompare(b.key);
}
