import { readFileSync, writeFileSync } from 'node:fs';

/**
 * The part of its limit that the Go runtime of an instance may use. The rest is for what it does not manage: the caches of
 * SQLite and the executable.
 */
const GO_PART = 0.8;
/** The same without a limit: of the memory of the host. */
const GO_PART_OF_HOST = 0.25;

/** Settings of the Go runtime of user databases; null leaves the choice to Fathom and the runtime. */
export interface GoSettings {
  memoryBytes: number | null;
  processors: number | null;
}

/**
 * The variables of the Go runtime of an instance. Near GOMEMLIMIT, the runtime collects garbage more often instead of
 * growing. Without a limit it is a part of the host: a lower one would only cost processor time, because nothing ends the
 * instance. The global instance, which all sign-ins wait for, uses the whole host.
 */
export function goEnvironment(
  { kind, memoryBytes }: { kind: 'global' | 'user'; memoryBytes: number | null },
  settings: GoSettings,
  hostBytes: number,
): Record<string, string> {
  const set = kind === 'user' ? settings : null;
  const ofHost = hostBytes * GO_PART_OF_HOST;
  const limit = memoryBytes === null ? (set?.memoryBytes ?? ofHost) : memoryBytes * GO_PART;
  return {
    GOMEMLIMIT: String(Math.floor(limit)),
    ...(set?.processors ? { GOMAXPROCS: String(set.processors) } : {}),
  };
}

const MAX_OOM_SCORE = 1000;

/**
 * The value of oom_score_adj of an instance. When the host has no memory left, the kernel ends user instances first, then
 * the global one, and the daemon last.
 *
 * @param own the value of the daemon
 */
export function oomScoreOf(kind: 'global' | 'user', own: number): number {
  const global = Math.max(own, -100) + 100;
  return Math.min(MAX_OOM_SCORE, kind === 'global' ? global : global + 200);
}

/** Null for a process that has ended. */
export function readOomScore(pid: number | 'self'): number | null {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'), 10);
  } catch {
    return null;
  }
}

/** Raising the value needs no privilege. */
export function setOomScore(pid: number, score: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(score));
  } catch {
    // The process has ended.
  }
}
