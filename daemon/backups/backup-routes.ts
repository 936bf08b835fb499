import { acceptBackupTarget } from '../../shared/api/backup-target.ts';
import {
  createBackup,
  createRecoveryKey,
  type DatabaseBackups,
  listBackups,
  listFleetBackups,
  pruneBackups,
  verifyBackups,
} from '../../shared/api/backups.ts';
import { FathomError } from '../../shared/errors.ts';
import type { UserLimits } from '../accounts/plans/user-limits.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../http/caller.ts';
import { redactBackups } from '../http/redact.ts';
import { type Api, serve, slicePage } from '../http/serve.ts';
import type { DatabaseArchives } from './archived/database-archives.ts';
import type { RecoveryKeys } from './keys/recovery-keys.ts';
import { answered } from './run/answered.ts';
import type { BackupOutcome, BackupSubject, Backups } from './service/backups.ts';
import type { BackupOverview } from './service/overview.ts';

export interface OwnedSubject extends BackupSubject {
  /** Id of the owner; null for the control plane. */
  owner: string | null;
}

export interface BackupRoutesDeps {
  backups: Backups;
  archives: DatabaseArchives;
  backupOverview: BackupOverview;
  recoveryKeys: RecoveryKeys;
  userLimits: UserLimits;
  backupSubjects: {
    all: () => Iterable<OwnedSubject>;
    find: (name: string) => OwnedSubject | null;
  };
}

/** Registers the routes of backups. */
export function backupRoutes(
  app: Api,
  { backups, archives, backupOverview, recoveryKeys, backupSubjects, userLimits }: BackupRoutesDeps,
): void {
  const require = (name: string): OwnedSubject => {
    const subject = backupSubjects.find(name);
    if (!subject) throw new FathomError('not_found', `there is no database '${name}'`);
    return subject;
  };

  /** Owners do not displace the schedule, and what has not changed costs them nothing. */
  const createOwn = async (subject: OwnedSubject, userId: string): Promise<BackupOutcome> => {
    await userLimits.countUse('backups_per_day', userId);
    let isMade = false;
    try {
      const options = { onlyChanged: true, isUrgent: false, isOwn: true };
      const outcome = await answered(backups.create(subject, options));
      isMade = outcome.result === 'made';
      return outcome;
    } finally {
      if (!isMade) userLimits.giveBackUse('backups_per_day', userId);
    }
  };

  serve(app, listFleetBackups, (request) => {
    const caller = requireCaller(request);
    const all = seesAll(caller, 'backups.read');
    const own = caller.kind === 'local' ? null : caller.userId;
    const { sort, database } = request.query;
    const subjects = [...backupSubjects.all()]
      .filter(({ owner, name }) => (all || owner === own) && (database ?? name) === name)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const redact = (item: DatabaseBackups) => redactBackups(caller, item);
    if (sort === 'problem') return slicePage(backupOverview.byProblem(subjects).map(redact), request.query);
    const { items, ...page } = slicePage(subjects, request.query);
    return { ...page, items: items.map((subject) => redact(backupOverview.of(subject))) };
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
    const onlyChanged = request.body?.only_changed === true;
    const { result, backup } = isOwn
      ? await createOwn(require(name), requireUserId(request))
      : await answered(backups.create(require(name), { onlyChanged }));
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

  serve(app, acceptBackupTarget, async (request) => {
    if (request.body?.without_archives !== true) await answered(archives.requireKept());
    backups.acceptTarget();
    return { target: backupOverview.status().target };
  });
}
