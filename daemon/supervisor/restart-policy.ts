import { fullJitterMs } from '../../shared/backoff.ts';
import type { PhaseReasonCode } from '../../shared/instance.ts';

/** Uptime after which a run counts as stable, and earlier failures are forgotten. */
export const STABLE_AFTER_MS = 10_000;
export const MAX_ATTEMPTS = 10;
/** A cause that a restart is not going to change is tried this often before a person is asked. */
const MAX_ATTEMPTS_HOPELESS = 3;
const BACKOFF = { baseMs: 500, capMs: 60_000 };

/** A restart alone does not mend these. */
const HOPELESS: ReadonlySet<PhaseReasonCode> = new Set([
  'migration_failed',
  'migration_broken',
  'hook_broken',
  'database_corrupt',
  'encryption_key_wrong',
  'data_dir_missing',
]);

/** Causes outside the instance: it comes back by itself once they are gone, so it never gives up. */
const EXTERNAL: ReadonlySet<PhaseReasonCode> = new Set([
  'disk_full',
  'read_only',
  'volume_missing',
  'ports_exhausted',
  'port_in_use',
  'data_dir_locked',
  'binary_missing',
  'binary_changed',
  'out_of_files',
  'permission_denied',
]);

export interface Failure {
  reason: PhaseReasonCode;
  /** Consecutive failures before this one, and why the last of them was. */
  attempt: number;
  before: PhaseReasonCode | null;
  /** How long the run lasted, 0 when it never became ready. */
  uptimeMs: number;
  /** False for the global instance, without which there is no fleet: it is always tried again. */
  mayGiveUp: boolean;
}

export type Verdict =
  | { kind: 'restart'; attempt: number; delayMs: number; maxAttempts: number | null }
  | { kind: 'give_up'; attempt: number; maxAttempts: number };

/** What to do about a run that nobody asked to end. The first failure restarts at once, later ones back off. */
export function afterFailure(failure: Failure, random: () => number): Verdict {
  // What was waited out says nothing of a cause that came after it.
  const waitedOut = failure.before !== null && EXTERNAL.has(failure.before) && !EXTERNAL.has(failure.reason);
  const attempt = failure.uptimeMs >= STABLE_AFTER_MS || waitedOut ? 1 : failure.attempt + 1;
  const maxAttempts = maxAttemptsFor(failure);
  if (maxAttempts !== null && attempt >= maxAttempts) return { kind: 'give_up', attempt, maxAttempts };
  const delayMs = attempt === 1 ? 0 : fullJitterMs(attempt - 1, BACKOFF, random);
  return { kind: 'restart', attempt, delayMs, maxAttempts };
}

function maxAttemptsFor({ reason, mayGiveUp }: Failure): number | null {
  if (!mayGiveUp || EXTERNAL.has(reason)) return null;
  return HOPELESS.has(reason) ? MAX_ATTEMPTS_HOPELESS : MAX_ATTEMPTS;
}
