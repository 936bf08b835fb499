import {
  acceptBackupTarget,
  createBackup,
  createRecoveryKey,
  listBackups,
  listFleetBackups,
  pruneBackups,
  verifyBackups,
} from '../../shared/api/backups.ts';
import { BACKUP_REMEDIES } from '../../shared/backup-failure.ts';
import { FathomError } from '../../shared/errors.ts';
import { requireCaller, requireOwnerOrAll, seesAll } from '../http/caller.ts';
import { type Api, serve, slicePage } from '../http/serve.ts';
import type { RecoveryKeys } from './keys/recovery-keys.ts';
import { BackupFailed } from './run/backup-processes.ts';
import type { BackupSubject, Backups } from './service/backups.ts';
import type { BackupOverview } from './service/overview.ts';

export interface OwnedSubject extends BackupSubject {
  /** Id of the owner; null for the control plane. */
  owner: string | null;
}

export interface BackupRoutesDeps {
  backups: Backups;
  backupOverview: BackupOverview;
  recoveryKeys: RecoveryKeys;
  backupSubjects: {
    all: () => Iterable<OwnedSubject>;
    find: (name: string) => OwnedSubject | null;
  };
}

/** Registers the routes of backups. */
export function backupRoutes(
  app: Api,
  { backups, backupOverview, recoveryKeys, backupSubjects }: BackupRoutesDeps,
): void {
  const require = (name: string): OwnedSubject => {
    const subject = backupSubjects.find(name);
    if (!subject) throw new FathomError('not_found', `there is no database '${name}'`);
    return subject;
  };

  serve(app, listFleetBackups, (request) => {
    const caller = requireCaller(request);
    const all = seesAll(caller, 'backups.read');
    const own = caller.kind === 'local' ? null : caller.userId;
    const subjects = [...backupSubjects.all()].filter(({ owner }) => all || owner === own);
    const { items, ...page } = slicePage(
      subjects.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      request.query,
    );
    return { ...page, items: items.map((subject) => backupOverview.of(subject)) };
  });

  serve(app, listBackups, async (request) => {
    const { name } = request.params;
    requireOwnerOrAll(request, backupSubjects.find(name)?.owner ?? null);
    // Owners do not displace the schedule.
    const isUrgent = seesAll(request.caller, 'backups.read');
    const found = await answered(backups.list(require(name).name, { isUrgent }));
    return slicePage(found, request.query);
  });

  serve(app, createBackup, async (request) => {
    const { name } = request.params;
    requireOwnerOrAll(request, backupSubjects.find(name)?.owner ?? null);
    const isOwn = !seesAll(request.caller, 'backups.create');
    const onlyChanged = isOwn || request.body?.only_changed === true;
    const { result, backup } = await answered(
      backups.create(require(name), { onlyChanged, isUrgent: !isOwn }),
    );
    const { id, created_at, bytes, stored_bytes } = backup;
    return { id, created_at, bytes, stored_bytes, changed: result === 'made' };
  });

  serve(app, pruneBackups, async (request) => {
    const { name } = require(request.params.name);
    const isDryRun = request.body?.dry_run === true;
    const { chunks, ...pruned } = await answered(backups.prune(name, { isDryRun }));
    return { ...pruned, removed_bytes: chunks.bytes };
  });

  serve(app, verifyBackups, async (request) => {
    const { name } = require(request.params.name);
    return { items: await answered(backups.verify(name, request.body?.ids ?? [])) };
  });

  serve(app, createRecoveryKey, (request) =>
    recoveryKeys.create({ replace: request.body?.replace === true }),
  );

  serve(app, acceptBackupTarget, () => {
    backups.acceptTarget();
    return { target: backupOverview.status().target };
  });
}

/** @throws FathomError `backup.failed` */
async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof BackupFailed)) throw error;
    const { reason, message } = error;
    throw new FathomError('backup.failed', `${reason}: ${message}; ${BACKUP_REMEDIES[reason]}`, {
      cause: error,
    });
  }
}
