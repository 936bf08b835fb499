/** An awake database that may sleep. */
export interface Candidate {
  /** Since its last use. */
  idleMs: number;
  /** SLEEP_AFTER of this database; null when it only sleeps above MAX_AWAKE. */
  sleepAfterMs: number | null;
  /** When it could not sleep, in monotonic time; null when it was not tried since its last sleep. */
  refusedAtMs: number | null;
}

export interface HostState {
  /** All databases with a process, also those that never sleep. */
  awake: number;
  /** MAX_AWAKE; null without a limit. */
  maxAwake: number | null;
  availableBytes: number;
  totalBytes: number;
}

export type SleepCause = 'idle' | 'awake_limit' | 'host_memory';

/** A database in use is not ended for another one. A page that is open sends requests more often than this. */
const IN_USE_MS = 10_000;
/** While the memory of the host is short, databases sleep after this time at the latest. */
const SHORT_MEMORY_IDLE_MS = 60_000;
const SHORT_MEMORY_SHARE = 0.1;

/** Why a database sleeps now; null when it stays awake. */
export function sleepCause(
  { idleMs, sleepAfterMs }: Candidate,
  { awake, maxAwake, availableBytes, totalBytes }: HostState,
): SleepCause | null {
  if (sleepAfterMs !== null && idleMs >= sleepAfterMs) return 'idle';
  if (maxAwake !== null && awake > maxAwake && idleMs >= IN_USE_MS) return 'awake_limit';
  const isShort = availableBytes < totalBytes * SHORT_MEMORY_SHARE;
  return isShort && sleepAfterMs !== null && idleMs >= SHORT_MEMORY_IDLE_MS ? 'host_memory' : null;
}

/**
 * The order in which databases are tried: those that were used least recently first. Those that could not sleep come after all
 * others, so that they keep no others awake.
 */
export function inOrderOfSleep<T extends Candidate>(candidates: readonly T[]): T[] {
  return candidates.toSorted((a, b) => (a.refusedAtMs ?? -1) - (b.refusedAtMs ?? -1) || b.idleMs - a.idleMs);
}
