import type { AuditRow } from '../../../shared/hooks/control-plane-routes.ts';

/**
 * Counts the rows at the start of a list that are older than the retention. Rows are archived in the order of the chain, so a
 * row of the retention ends the count. A row from the future, which a wrong clock leaves, is as old as the row after it.
 *
 * @param rows in the order of the chain
 */
export function countExpired(
  rows: readonly Pick<AuditRow, 'at'>[],
  { cutoff, now }: { cutoff: Date; now: Date },
): number {
  const [cutoffText, nowText] = [cutoff.toISOString(), now.toISOString()];
  let expired = 0;
  for (const [index, { at }] of rows.entries()) {
    if (at < cutoffText) expired = index + 1;
    else if (at <= nowText) break;
  }
  return expired;
}
