import type { InactiveStatus } from './api/inactive-status.ts';

/** What keeps databases that are not used from being archived. Null without a problem. */
export function inactiveProblem({
  blocked,
  problem,
}: Pick<InactiveStatus, 'blocked' | 'problem'>): { text: string; remedy: string } | null {
  if (blocked === 0 || problem === null) return null;
  const what = blocked === 1 ? '1 database is' : `${blocked} databases are`;
  return { text: `${what} not used, and not archived: ${problem.message}`, remedy: problem.remedy };
}
