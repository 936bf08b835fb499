import type { PhaseReason } from '../../../shared/api/instances.ts';

/** Why instances have less disk space than they need, by name. The supervisor shows it. */
export type DiskReasons = Map<string, PhaseReason>;

/** `near`: from 80 % of the limit. `over`: from 100 %, until the usage is below 95 %. */
export type DiskState = 'free' | 'near' | 'over';

/** The fraction of the limit from which on the usage is near it. */
export const NEAR = 0.8;
const RELEASE = 0.95;

/** More than one database writes in a second. Uploads of one client were measured at 23 MB/s. */
const MAX_RATE = 256 * 1024 * 1024;
const MIN_WAIT_MS = 1_000;
const MAX_WAIT_MS = 60_000;
/** A directory is measured again after this many times the time that it took: at most a tenth of a core. */
const WALK_SHARE = 10;
/** The least time between two measurements of a database over its limit, which only has to be released. */
const RELEASE_CHECK_MS = 5_000;
/** Corrects the estimate, which counts also what overwrites and what goes to clients. */
const CORRECT_EVERY_MS = 5 * 60_000;
/** Measuring a large database takes longer. */
const BUSY_WAIT_MS = 1_000;

/** @param bytes measured usage */
export function diskStateAfter(before: DiskState, bytes: number, limit: number | null): DiskState {
  if (limit === null) return 'free';
  if (bytes >= limit * (before === 'over' ? RELEASE : 1)) return 'over';
  return bytes >= limit * NEAR ? 'near' : 'free';
}

export interface DiskEstimate {
  state: DiskState;
  limit: number;
  /** Usage at the last measurement; null before the first one. */
  bytes: number | null;
  /** Bytes that the process has written since then, at most; null if they are unknown. */
  written: number | null;
  sinceWalkMs: number;
  /** The time that the last measurement took. */
  walkMs: number;
}

/**
 * Decides when a directory is measured, which is slow for many files. In between, the bytes that its process writes are the
 * most by which it can grow.
 *
 * @returns `walk`, or the milliseconds until the next decision
 */
export function nextDiskStep({
  state,
  limit,
  bytes,
  written,
  sinceWalkMs,
  walkMs,
}: DiskEstimate): 'walk' | number {
  if (bytes === null) return 'walk';
  const growth = written ?? (sinceWalkMs / 1000) * MAX_RATE;
  const estimate = bytes + growth;
  const isDue =
    state === 'over'
      ? growth > 0
      : estimate >= limit ||
        (state === 'free' && estimate >= limit * NEAR) ||
        sinceWalkMs >= CORRECT_EVERY_MS;
  if (isDue) {
    const gapMs = Math.max(state === 'over' ? RELEASE_CHECK_MS : 0, walkMs * WALK_SHARE);
    return sinceWalkMs >= gapMs ? 'walk' : Math.max(MIN_WAIT_MS, gapMs - sinceWalkMs);
  }
  if (state === 'over') return RELEASE_CHECK_MS;
  return Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, ((limit - estimate) / MAX_RATE) * 1000));
}

/** How long to wait for a check, in milliseconds. One that is due already waits for the work that is in progress. */
export function untilDue(dueInMs: number, maxMs: number): number {
  return dueInMs > 0 ? Math.min(dueInMs, maxMs) : Math.min(BUSY_WAIT_MS, maxMs);
}
