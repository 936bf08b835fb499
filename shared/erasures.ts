import type { DeletedDatabase, TrashStatus } from './api/trash.ts';

/** Whether an erasure has begun and not ended, and does not only wait for the end of an object lock. */
export function isErasing({ state, erase_at }: Pick<DeletedDatabase, 'state' | 'erase_at'>): boolean {
  return state !== 'deleted' && erase_at === null;
}

/** What prevents erasures, and which command shows more. Null without a problem. */
export function erasureProblem({
  erasures_pending: pending,
  problem,
}: Pick<TrashStatus, 'erasures_pending' | 'problem'>): { text: string; remedy: string } | null {
  if (pending === 0 || problem === null) return null;
  const what = pending === 1 ? '1 deleted database is' : `${pending} deleted databases are`;
  return {
    text: `${what} not erased completely: ${problem}`,
    remedy: "'fathomd databases list --deleted' shows them",
  };
}
