import type { DeletedDatabase, TrashStatus } from '../../shared/api/trash.ts';
import { BACKUP_REMEDIES } from '../../shared/backup-failure.ts';
import { isErasing } from '../../shared/erasures.ts';
import type { Erasures } from '../backups/retention/erasures.ts';
import type { ShownFailure } from '../backups/run/backup-processes.ts';
import type { Backups } from '../backups/service/backups.ts';
import type { DatabaseTrash } from '../databases/trash/trash.ts';
import type { TrashedDatabases } from '../databases/trash/trashed-databases.ts';
import { toIsoTime } from '../pocketbase/data/sqlite.ts';

/** What is shown of deleted databases, and of those whose backups are not erased yet. */
export function listDeleted({
  trashed,
  trash,
  backups,
  erasures,
}: {
  trashed: TrashedDatabases;
  trash: Pick<DatabaseTrash, 'problemOf'>;
  backups: Pick<Backups, 'stateOf'>;
  erasures: Pick<Erasures, 'pending'>;
}): DeletedDatabase[] {
  const kept = trashed.all().map((one): DeletedDatabase => {
    const problem = trash.problemOf(one.name);
    const { confirmed_at, failure } = backups.stateOf(one.name);
    const shown = problem && {
      reason: 'failed' as const,
      message: problem.message,
      remedy: 'correct the cause; Fathom tries again by itself',
      since: problem.since.toISOString(),
    };
    return {
      name: one.name,
      state: problem === null ? 'deleted' : 'erasing',
      user_id: one.user,
      email: one.email,
      account: one.with_account,
      deleted_at: toIsoTime(one.deleted_at),
      erase_at: problem === null ? toIsoTime(one.erase_at) : null,
      last_backup_at: confirmed_at,
      problem: shown ?? (failure && toProblem(failure)),
    };
  });
  const pending = erasures.pending.map(
    ({ database, account, requested, failure }): DeletedDatabase => ({
      name: database,
      state: 'erasure_pending',
      user_id: null,
      email: null,
      account,
      deleted_at: toIsoTime(requested),
      erase_at: failure?.lockedUntil?.toISOString() ?? null,
      last_backup_at: null,
      problem: failure && toProblem({ ...failure, since: failure.since.toISOString() }),
    }),
  );
  return [...kept, ...pending];
}

function toProblem({
  reason,
  message,
  remedy,
  since,
}: ShownFailure & { since: string }): NonNullable<DeletedDatabase['problem']> {
  return { reason, message, remedy: remedy ?? BACKUP_REMEDIES[reason], since };
}

/** The numbers of the status. */
export function countDeleted(deleted: readonly DeletedDatabase[]): Omit<TrashStatus, 'days'> {
  const pending = deleted.filter(isErasing);
  const [first] = pending
    .flatMap(({ name, problem }) => (problem ? { name, ...problem } : []))
    .toSorted((a, b) => (a.since < b.since ? -1 : 1));
  return {
    databases: deleted.filter(({ state }) => state === 'deleted').length,
    erasures_pending: pending.length,
    problem: first ? `${first.name}: ${first.message}; ${first.remedy}` : null,
  };
}
