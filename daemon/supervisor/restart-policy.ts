import { fullJitterMs } from '../../shared/backoff.ts';
import { type PhaseReasonCode, type RetryRule, ruleOf } from '../../shared/reasons.ts';

/** A run with this uptime counts as stable and resets the count of failures. */
export const STABLE_AFTER_MS = 10_000;
export const MAX_ATTEMPTS = 10;
/** Attempts for causes that a restart alone does not fix. */
const FEW_ATTEMPTS = 3;
const BACKOFF = { baseMs: 500, capMs: 60_000 };
/** Not 0, because a start that fails before it waits for anything would then be repeated without a pause. */
const MIN_BACKOFF_MS = 1;

export interface Failure {
  reason: PhaseReasonCode;
  /** The number of consecutive failures before this one. */
  attempt: number;
  /** The reason of the last of them. */
  previousReason: PhaseReasonCode | null;
  /** The duration of the run; 0 when it never became ready. */
  uptimeMs: number;
  /** False for the global instance, which the whole fleet needs: its attempts are unlimited. */
  mayGiveUp: boolean;
}

export type Decision =
  | { kind: 'restart'; attempt: number; delayMs: number; maxAttempts: number | null }
  | { kind: 'give_up'; attempt: number; maxAttempts: number };

/** Decides what follows an unexpected end of a run. The first failure restarts at once, later ones back off. */
export function decideAfterFailure(failure: Failure, random: () => number): Decision {
  const { previousReason } = failure;
  // Attempts with an external cause do not count for the cause that follows it.
  const isNewCause = previousReason !== null && isExternal(previousReason) && !isExternal(failure.reason);
  const attempt = failure.uptimeMs >= STABLE_AFTER_MS || isNewCause ? 1 : failure.attempt + 1;
  const maxAttempts = maxAttemptsFor(failure);
  if (maxAttempts !== null && attempt >= maxAttempts) return { kind: 'give_up', attempt, maxAttempts };
  const delayMs = attempt === 1 ? 0 : Math.max(MIN_BACKOFF_MS, fullJitterMs(attempt - 1, BACKOFF, random));
  return { kind: 'restart', attempt, delayMs, maxAttempts };
}

function maxAttemptsFor({ reason, mayGiveUp }: Failure): number | null {
  if (!mayGiveUp || isExternal(reason)) return null;
  return retryOf(reason) === 'few' ? FEW_ATTEMPTS : MAX_ATTEMPTS;
}

/** Whether the cause is outside the instance. Attempts are then unlimited, so it starts by itself when the cause is gone. */
function isExternal(reason: PhaseReasonCode): boolean {
  return retryOf(reason) === 'until_gone';
}

function retryOf(reason: PhaseReasonCode): RetryRule {
  return ruleOf(reason).retry;
}
