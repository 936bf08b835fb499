/** An awake database that may sleep. */
export interface Candidate {
  name: string;
  /** Since its last use. */
  idleMs: number;
  /** SLEEP_AFTER of this database. */
  sleepAfterMs: number;
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

export interface Sleeper extends Candidate {
  why: SleepCause;
}

/** A database in use is not ended for another one. A page that is open sends requests more often than this. */
const IN_USE_MS = 10_000;
/** While the memory of the host is short, databases sleep after this time at the latest. */
const SHORT_MEMORY_IDLE_MS = 60_000;
const SHORT_MEMORY_SHARE = 0.1;
/** Each end of a process takes processor time. */
const MAX_AT_ONCE = 20;

/** Chooses the databases that sleep now: those that were used least recently first, and not too many at once. */
export function chooseSleepers(candidates: readonly Candidate[], host: HostState): Sleeper[] {
  const isShort = host.availableBytes < host.totalBytes * SHORT_MEMORY_SHARE;
  let surplus = host.maxAwake === null ? 0 : host.awake - host.maxAwake;
  const sleepers: Sleeper[] = [];
  for (const candidate of candidates.toSorted((a, b) => b.idleMs - a.idleMs)) {
    const { idleMs, sleepAfterMs } = candidate;
    let why: SleepCause | null = null;
    if (idleMs >= sleepAfterMs) why = 'idle';
    else if (surplus > 0 && idleMs >= IN_USE_MS) why = 'awake_limit';
    else if (isShort && idleMs >= SHORT_MEMORY_IDLE_MS) why = 'host_memory';
    if (why === null) continue;
    surplus -= 1;
    sleepers.push({ ...candidate, why });
    if (sleepers.length === MAX_AT_ONCE) break;
  }
  return sleepers;
}
