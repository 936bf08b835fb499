import type { DeletedDatabase, TrashStatus } from './api/trash.ts';

/** Whether an erasure has begun and not ended. */
export function isErasing({ state }: Pick<DeletedDatabase, 'state'>): boolean {
  return state !== 'deleted';
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
