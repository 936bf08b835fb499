const BASE_MS = 500;
const CAP_MS = 5_000;

/**
 * Milliseconds to wait before reconnection `attempt` (from 1): exponential, capped at 5 s, with full jitter, so that a
 * hundred consoles do not return to a restarted daemon in step. `random` is in [0, 1).
 * Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
 */
export function reconnectDelay(attempt: number, random: number): number {
  const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt - 1, 16));
  return Math.round(random * ceiling);
}
