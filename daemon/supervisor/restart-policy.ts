import { fullJitterMs } from '../../shared/backoff.ts';
import { type PhaseReasonCode, type RetryRule, ruleOf } from '../../shared/reasons.ts';

/** Uptime after which a run counts as stable, and earlier failures are forgotten. */
export const STABLE_AFTER_MS = 10_000;
export const MAX_ATTEMPTS = 10;
/** When a restart alone cannot fix the cause. */
const FEW_ATTEMPTS = 3;
const BACKOFF = { baseMs: 500, capMs: 60_000 };

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
  const waitedOut = failure.before !== null && isOutside(failure.before) && !isOutside(failure.reason);
  const attempt = failure.uptimeMs >= STABLE_AFTER_MS || waitedOut ? 1 : failure.attempt + 1;
  const maxAttempts = maxAttemptsFor(failure);
  if (maxAttempts !== null && attempt >= maxAttempts) return { kind: 'give_up', attempt, maxAttempts };
  const delayMs = attempt === 1 ? 0 : fullJitterMs(attempt - 1, BACKOFF, random);
  return { kind: 'restart', attempt, delayMs, maxAttempts };
}

function maxAttemptsFor({ reason, mayGiveUp }: Failure): number | null {
  if (!mayGiveUp || isOutside(reason)) return null;
  return retryOf(reason) === 'few' ? FEW_ATTEMPTS : MAX_ATTEMPTS;
}

/** The cause is outside of the instance, which runs again once the cause is gone. */
function isOutside(reason: PhaseReasonCode): boolean {
  return retryOf(reason) === 'until_gone';
}

function retryOf(reason: PhaseReasonCode): RetryRule {
  return ruleOf(reason).retry;
}
