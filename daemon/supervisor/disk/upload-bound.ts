const MIB = 1024 * 1024;

/** Below this bound, a few uploads of ordinary size at the same time would be ended. */
const MIN_BOUND = 512 * MIB;
/**
 * PocketBase stores a body up to twice. The largest one of the collection `documents` has 20 files of 50 MiB and 32 MiB of
 * other fields.
 */
const MAX_BOUND = 2 * (20 * 50 + 32) * MIB + 128 * MIB;

/** While the disk of the host is nearly full, records are refused, so uploads are useless. */
const HELD_BOUND = 16 * MIB;

/** What one database writes in a second, from clients of the same host. */
const MAX_RATE = 1024 * MIB;
export const MIN_WAIT_MS = 250;
const MAX_WAIT_MS = 5_000;
/** Files can also grow without a write, as by fallocate(2). */
const MEASURE_EVERY_MS = 60_000;
/** A restart that did not help is repeated after this time. */
const RESTART_EVERY_MS = 60_000;

/** Uploads are limited for this time after the last attack, so that an attacker causes at most one restart in it. */
const QUIET_MS = 24 * 60 * 60_000;

/**
 * The bytes of temporary files that a database may have. An upload that is larger than its disk limit is useless.
 *
 * @param isHeld databases that write are held, because the disk of the host is nearly full
 */
export function uploadBoundOf(diskLimit: number | null, { isHeld }: { isHeld: boolean }): number {
  if (isHeld) return HELD_BOUND;
  return Math.max(MIN_BOUND, Math.min(MAX_BOUND, 2 * (diskLimit ?? MAX_BOUND)));
}

/**
 * Decides when temporary files are measured: when what the process has written since then could pass the bound.
 *
 * @param bytes at the last measurement; null before the first one
 * @param written since then; null if it is unknown
 * @returns `measure`, or the milliseconds until the next decision
 */
export function nextUploadCheck({
  bytes,
  written,
  sinceMs,
  bound,
}: {
  bytes: number | null;
  written: number | null;
  sinceMs: number;
  bound: number;
}): 'measure' | number {
  if (bytes === null || written === null || sinceMs >= MEASURE_EVERY_MS) return 'measure';
  const room = bound - bytes - written;
  if (room <= 0) return sinceMs >= MIN_WAIT_MS ? 'measure' : MIN_WAIT_MS - sinceMs;
  return Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, (room / MAX_RATE) * 1000));
}

/**
 * - `limit`: restart the instance with limits of uploads.
 * - `restart`: it has limits, and its process has to end nevertheless.
 * - `release`: end the limits with the next start.
 */
export type UploadStep = 'wait' | 'limit' | 'restart' | 'release';

/**
 * @param hasLimits whether the running process limits uploads
 * @param quietMs the time since temporary files were over the bound
 * @param sinceRestartMs the time since the last restart for this cause
 */
export function nextUploadStep({
  isOver,
  isLimited,
  hasLimits,
  quietMs,
  sinceRestartMs,
}: {
  isOver: boolean;
  isLimited: boolean;
  hasLimits: boolean;
  quietMs: number;
  sinceRestartMs: number;
}): UploadStep {
  if (!isOver) return isLimited && quietMs >= QUIET_MS ? 'release' : 'wait';
  if (!hasLimits) return 'limit';
  return sinceRestartMs >= RESTART_EVERY_MS ? 'restart' : 'wait';
}
