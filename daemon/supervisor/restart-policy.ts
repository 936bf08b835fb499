import { fullJitterMs } from '../../shared/backoff.ts';
import { type PhaseReasonCode, type RetryRule, ruleOf } from '../../shared/reasons.ts';

/** A run with this uptime counts as stable and resets the count of failures. */
export const STABLE_AFTER_MS = 10_000;
/** Attempts for causes that a restart alone does not fix. */
const FEW_ATTEMPTS = 3;
/** The longest back-off where a start soon after the end of the cause matters more than the cost of an attempt. */
const PROMPT_CAP_MS = 60_000;
/** Not 0, because a start that fails before it waits for anything would then be repeated without a pause. */
const MIN_BACKOFF_MS = 1;

export interface RestartSettings {
  /** The longest wait before the second restart. It doubles with each further one, up to `capMs`. */
  baseMs: number;
  capMs: number;
  /** Of an instance that has never served. */
  maxAttempts: number;
}

export interface Failure {
  reason: PhaseReasonCode;
  /** The number of consecutive failures before this one. */
  attempt: number;
  /** The reason of the last of them. */
  previousReason: PhaseReasonCode | null;
  /** The duration of the run; 0 when it never became ready. */
  uptimeMs: number;
  /** The whole fleet needs the global instance: its attempts are unlimited, and follow within a minute. */
  kind: 'global' | 'user';
  /** Whether it has run before. Its crashes may then end as they began, so the attempts are unlimited. */
  hasServed: boolean;
}

export type Decision =
  | { kind: 'restart'; attempt: number; delayMs: number; maxAttempts: number | null }
  | { kind: 'give_up'; attempt: number; maxAttempts: number };

/** Decides what follows an unexpected end of a run. The first failure restarts at once, later ones back off. */
export function decideAfterFailure(
  failure: Failure,
  settings: RestartSettings,
  random: () => number,
): Decision {
  const { previousReason } = failure;
  // Attempts with an external cause do not count for the cause that follows it.
  const isNewCause = previousReason !== null && isExternal(previousReason) && !isExternal(failure.reason);
  const attempt = failure.uptimeMs >= STABLE_AFTER_MS || isNewCause ? 1 : failure.attempt + 1;
  const maxAttempts = maxAttemptsFor(failure, settings);
  if (maxAttempts !== null && attempt >= maxAttempts) return { kind: 'give_up', attempt, maxAttempts };
  return { kind: 'restart', attempt, delayMs: delayFor(attempt, failure, settings, random), maxAttempts };
}

function maxAttemptsFor(
  { reason, kind, hasServed }: Failure,
  { maxAttempts }: RestartSettings,
): number | null {
  if (kind === 'global' || isExternal(reason)) return null;
  if (retryOf(reason) === 'few') return FEW_ATTEMPTS;
  return hasServed ? null : maxAttempts;
}

function delayFor(
  attempt: number,
  { reason, kind }: Failure,
  { baseMs, capMs }: RestartSettings,
  random: () => number,
): number {
  if (attempt === 1) return 0;
  const isPrompt = kind === 'global' || isExternal(reason);
  const backoff = { baseMs, capMs: isPrompt ? Math.min(capMs, PROMPT_CAP_MS) : capMs };
  return Math.max(MIN_BACKOFF_MS, fullJitterMs(attempt - 1, backoff, random));
}

/** Whether the cause is outside the instance. Attempts are then unlimited, so it starts by itself when the cause is gone. */
export function isExternal(reason: PhaseReasonCode): boolean {
  return retryOf(reason) === 'until_gone';
}

function retryOf(reason: PhaseReasonCode): RetryRule {
  return ruleOf(reason).retry;
}
