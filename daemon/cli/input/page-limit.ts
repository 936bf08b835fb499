import { UsageError } from './usage-error.ts';

/** The maximum of the API. */
const MAX_PAGE = 500;

/** @throws UsageError */
export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw new UsageError(`--limit needs a whole number from 1 to ${MAX_PAGE}`);
}
