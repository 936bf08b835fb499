/** Limits stay for this time after the last attack, so that an attacker causes at most one restart in it. */
export const QUIET_MS = 24 * 60 * 60_000;

/**
 * - `limit`: restart the instance with limits.
 * - `keep`: it has limits.
 * - `release`: end the limits with the next start.
 */
export type SignInStep = 'wait' | 'limit' | 'keep' | 'release';

/** @param quietMs the time since more sign-ins than the limit had failed */
export function nextSignInStep({
  isLimited,
  isAttacked,
  quietMs,
}: {
  isLimited: boolean;
  isAttacked: boolean;
  quietMs: number;
}): SignInStep {
  if (isAttacked) return isLimited ? 'keep' : 'limit';
  return isLimited && quietMs >= QUIET_MS ? 'release' : 'wait';
}
