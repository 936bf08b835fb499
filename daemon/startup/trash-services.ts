import { messageOf } from '../../shared/errors.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { DatabaseArchives } from '../backups/archived/database-archives.ts';
import type { BackupRoutesDeps } from '../backups/backup-routes.ts';
import type { Restores } from '../backups/restore/restores.ts';
import { Erasures } from '../backups/retention/erasures.ts';
import { BackupFailed } from '../backups/run/backup-processes.ts';
import { DatabaseTrash, type TrashDeps } from '../databases/trash/trash.ts';
import type { TrashRoutesDeps } from '../databases/trash/trash-routes.ts';
import type { FileReplicas } from '../replication/files/file-replicas.ts';
import type { Replication } from '../replication/replication.ts';
import { listDeleted } from './deleted-databases.ts';

export interface TrashServices extends TrashRoutesDeps {
  erasures: Erasures;
}

/** Creates the services of deleted databases, and of the erasure of their backups. */
export function createTrashServices({
  backups,
  backupSubjects,
  restores,
  archives,
  replication,
  fileReplicas,
  audit,
  ...deps
}: Pick<BackupRoutesDeps, 'backups' | 'backupSubjects'> & {
  restores: Restores;
  archives: DatabaseArchives;
  replication: Replication;
  fileReplicas: FileReplicas;
  audit: AuditTrail;
} & Omit<TrashDeps, 'isRestoring' | 'backUp' | 'eraseBackups' | 'audit'>): TrashServices {
  const { repository, catalog, clock, log } = deps;
  const erasures = new Erasures({
    repository,
    backups: {
      erase: async (database, account) => {
        // They are not encrypted, unlike the backups.
        await replication.erase(database);
        await fileReplicas.erase(database);
        await backups.erase(database, account);
      },
    },
    onErased: (target) =>
      audit.recordDaemonAction({ action: 'backup.erase', target, outcome: 'ok', detail: '' }),
    clock,
    log,
  });
  const backUp = (name: string): void => {
    const subject = backupSubjects.find(name);
    // Without a schedule, backups are made on demand only.
    if (backups.schedule === null || !subject) return;
    backups.create(subject, { onlyChanged: true }).catch((error: unknown) => {
      // A failure of the backup is logged and shown already. The files stay in the trash.
      if (!(error instanceof BackupFailed))
        log.error({ err: error, instance: name }, `the last backup failed: ${messageOf(error)}`);
    });
  };
  const trash = new DatabaseTrash({
    ...deps,
    isRestoring: (name) => restores.progressOf(name) !== null || archives.isMoving(name),
    backUp,
    eraseBackups: (erasure) => erasures.request(erasure),
    audit,
  });
  return {
    trash,
    erasures,
    listDeleted: () => listDeleted({ trashed: catalog.trashed, trash, backups, erasures }),
  };
}
