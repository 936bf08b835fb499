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
/** Corrects what is written, which counts also what goes to clients and what is deleted since. */
const MEASURE_EVERY_MS = 60_000;
/** What an idle process writes in that time: responses to probes. */
const IDLE_BYTES = 64 * 1024;
/** Files can also grow without a write, as by fallocate(2). */
const MEASURE_IDLE_EVERY_MS = 5 * 60_000;
/** The growth of all databases, as a share of the least bound, after which all are read. */
const GROWTH_SHARE = 1 / 8;
/** Databases with more than this share of their bound left are not read until the disk shows growth. */
const FAR_SHARE = 1 / 2;
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

/** When the growth of all databases together is checked, and the growth after which each is read. */
export function growthCheckOf(host: { isHeld: boolean }): { afterBytes: number; everyMs: number } {
  const leastBound = uploadBoundOf(0, host);
  return {
    afterBytes: leastBound * GROWTH_SHARE,
    everyMs: Math.max(MIN_WAIT_MS, (leastBound / MAX_RATE) * 1000),
  };
}

export interface UploadEstimate {
  /** At the last measurement; null before the first one. */
  bytes: number | null;
  /** Bytes that the process has written since then; null if they are unknown. */
  written: number | null;
  sinceMs: number;
  bound: number;
}

/**
 * Decides when temporary files are measured: when what the process has written since then could pass the bound.
 *
 * @returns `measure`, or the milliseconds until the next decision
 */
export function nextUploadCheck({ bytes, written, sinceMs, bound }: UploadEstimate): 'measure' | number {
  if (bytes === null || written === null) return 'measure';
  if (sinceMs >= (written < IDLE_BYTES ? MEASURE_IDLE_EVERY_MS : MEASURE_EVERY_MS)) return 'measure';
  const room = bound - bytes - written;
  if (room <= 0) return sinceMs >= MIN_WAIT_MS ? 'measure' : MIN_WAIT_MS - sinceMs;
  return Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, (room / MAX_RATE) * 1000));
}

/** Whether a database cannot pass its bound before the disk shows growth. */
export function isFarFromBound({ bytes, written, bound }: UploadEstimate): boolean {
  return bytes !== null && written !== null && bound - bytes - written > bound * FAR_SHARE;
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
