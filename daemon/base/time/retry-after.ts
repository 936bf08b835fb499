const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * Parses Retry-After (RFC 9110, 10.2.3): seconds or a date.
 *
 * @returns milliseconds, at most a day; null when it is missing or invalid
 */
export function parseRetryAfterHeader(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
