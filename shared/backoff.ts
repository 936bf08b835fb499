export interface Backoff {
  baseMs: number;
  capMs: number;
}

/** Exponential back-off: `base * 2^(attempt-1)`, at most `cap`. @param attempt counts from 1 @returns milliseconds */
export function backoffMs(attempt: number, { baseMs, capMs }: Backoff): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30));
}

/**
 * Exponential back-off with full jitter: a random wait from 0 to `base * 2^(attempt-1)`, at most `cap`.
 * Source: Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 *
 * @param attempt counts from 1
 * @param random returns a number in [0, 1)
 * @returns milliseconds
 */
export function fullJitterMs(attempt: number, backoff: Backoff, random: () => number): number {
  return Math.round(random() * backoffMs(attempt, backoff));
}
