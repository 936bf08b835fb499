import { idTimeOf } from './manifest.ts';

/** A time in the future beyond this is one of a clock that was wrong. */
const CLOCK_TOLERANCE_MS = 300_000;

/**
 * Splits ids of backups into those until now, and those that a clock wrote that ran ahead: they would be the last ones for as
 * long as it did.
 *
 * @param ids oldest first, which both results are, too
 */
export function splitAtNow(ids: readonly string[], now: Date): { past: string[]; future: string[] } {
  const limit = idTimeOf(new Date(now.getTime() + CLOCK_TOLERANCE_MS));
  return { past: ids.filter((id) => id <= `${limit}-g`), future: ids.filter((id) => id > `${limit}-g`) };
}
