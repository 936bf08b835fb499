import type { DatabaseRow } from '../../shared/hooks/control-plane-routes.ts';
import type { UserLimits } from '../accounts/plans/user-limits.ts';
import {
  type ArchiveStep,
  DatabaseArchives,
  MAX_WAYS_BACK,
  requireKnownArchive,
} from '../backups/archived/database-archives.ts';
import type { BackupRoutesDeps, OwnedSubject } from '../backups/backup-routes.ts';
import { createDrills } from '../backups/drills/drill-services.ts';
import type { Drills } from '../backups/drills/drills.ts';
import { Exports } from '../backups/export/exports.ts';
import { RecoveryKeys } from '../backups/keys/recovery-keys.ts';
import { CONTROL_PLANE } from '../backups/manifest.ts';
import { createRestores } from '../backups/restore/restore-services.ts';
import type { Restores, RestoreStep as StepOfRestore } from '../backups/restore/restores.ts';
import { BackupProcesses } from '../backups/run/backup-processes.ts';
import { type BackUpBefore, backUpBefore } from '../backups/service/back-up-before.ts';
import { ensureBackupHost } from '../backups/service/backup-host.ts';
import { Backups } from '../backups/service/backups.ts';
import { BackupOverview } from '../backups/service/overview.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import type { DatabaseServices } from '../databases/database-services.ts';
import type { Binaries } from '../pocketbase/binary/binaries.ts';
import type { ChildProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { FileReplicas } from '../replication/files/file-replicas.ts';
import type { Replication } from '../replication/replication.ts';
import type { Rollouts } from '../rollouts/rollouts.ts';
import { exchangeSealedSecret, findSealedSecret, type SealedSecretsDeps } from '../secrets/sealed-secrets.ts';
import type { DiskReserve } from '../supervisor/disk/disk-reserve.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';

/** The sealed secret with the public half of the recovery key. Sealed, so that it cannot be replaced in the table. */
const RECOVERY_KEY = 'backup-recovery-key';

/** Steps that tests observe, also of archived databases. */
export type RestoreStep = StepOfRestore | ArchiveStep;

export interface BackupServicesDeps {
  config: Config;
  settings: LiveSettings;
  /** `pb_data` of the control plane. */
  globalData: string;
  /** False on a node that uses the control plane of another one. */
  hasControlPlane: () => boolean;
  secrets: SealedSecretsDeps;
  userLimits: UserLimits;
  diskReserve: DiskReserve;
  fleet: Fleet;
  driver: ChildProcessDriver;
  binaries: Binaries;
  databases: Pick<DatabaseServices, 'catalog' | 'ownerSync' | 'templates'>;
  rollouts: Rollouts;
  replication: Replication;
  fileReplicas: FileReplicas;
  /** Called when a step of the restore of a database begins, or has ended. */
  onRestoreStep: ((step: RestoreStep, database: string) => void) | undefined;
  clock: Clock;
  log: Logger;
}

export interface BackupServices extends Omit<BackupRoutesDeps, 'userLimits'> {
  restores: Restores;
  archives: DatabaseArchives;
  exports: Exports;
  drills: Drills;
  backUpBefore: BackUpBefore;
}

/** Creates the services of backups, of restores and of drills. */
export async function createBackupServices(deps: BackupServicesDeps): Promise<BackupServices> {
  const { config, secrets, diskReserve, onRestoreStep, clock } = deps;
  const isDiskHeld = () => diskReserve.state.isHeld;
  const { backups, readRecoveryKey, subjects } = await createBackups(deps, isDiskHeld);
  const backUpFirst: BackUpBefore =
    backups.skipsChanges === null
      ? (name, change) => backUpBefore(name, change, { backups, subjects, log: deps.log })
      : null;
  const common = { ...deps, backups, masterKeys: secrets.masterKeys, isDiskHeld };
  const restores = createRestores({ ...common, backUpBefore: backUpFirst, onStep: onRestoreStep });
  const archives = new DatabaseArchives({
    ...common,
    catalog: deps.databases.catalog,
    subjects,
    target: config.backups.target,
    reserveBytes: config.diskReserveBytes,
    processes: new BackupProcesses(MAX_WAYS_BACK),
    isChanging: (name) => deps.rollouts.isChanging(name),
    isRestoring: (name) => restores.progressOf(name) !== null,
    holdsSockets: async () => (await deps.driver.sockets()).held,
    onStep:
      onRestoreStep ?? ((step, name) => deps.log.debug({ instance: name, step }, 'archiving a database')),
  });
  const drills = createDrills(common);
  const exports = new Exports({
    ...common,
    target: config.backups.target,
    hostDir: config.dataDir,
    reserveBytes: config.diskReserveBytes,
  });
  return {
    backups,
    restores,
    archives,
    exports,
    drills,
    backUpBefore: backUpFirst,
    backupOverview: new BackupOverview({
      backups,
      config: config.backups,
      subjects: () => subjects.all(),
      restoreOf: (name) => restores.progressOf(name),
      lastRestoreOf: (name) => restores.ended.of(name),
      drills: () => drills,
      replica: () => deps.replication.status(deps.fileReplicas),
      clock,
    }),
    recoveryKeys: new RecoveryKeys({
      read: readRecoveryKey,
      async store(publicText) {
        await exchangeSealedSecret(RECOVERY_KEY, Buffer.from(publicText), secrets);
      },
      use: () => backups.useRecoveryKey(),
    }),
    backupSubjects: subjects,
  };
}

async function createBackups(
  {
    config,
    settings,
    databases,
    globalData,
    hasControlPlane,
    secrets,
    userLimits,
    diskReserve,
    clock,
    log,
  }: BackupServicesDeps,
  isDiskHeld: () => boolean,
) {
  const { catalog } = databases;
  const controlPlane: OwnedSubject = { name: CONTROL_PLANE, dataDir: globalData, owner: null };
  const toSubject = ({ name, user }: Pick<DatabaseRow, 'name' | 'user'>): OwnedSubject => ({
    name,
    // When it is used: all subjects are listed often.
    get dataDir() {
      return dataDirOf(catalog.directoryOf(name));
    },
    owner: user,
  });
  const subjects = {
    // A deleted database keeps its backups until it is erased.
    *all(): Iterable<OwnedSubject> {
      for (const { row } of catalog.entries()) yield toSubject(row);
      for (const trashed of catalog.trashed.all()) yield toSubject(trashed);
      if (hasControlPlane()) yield controlPlane;
    },
    find(name: string): OwnedSubject | null {
      if (name === CONTROL_PLANE) return hasControlPlane() ? controlPlane : null;
      const found = catalog.find(name)?.row ?? catalog.trashed.find(name);
      return found ? toSubject(found) : null;
    },
  };
  const readRecoveryKey = async (): Promise<string | null> =>
    (await findSealedSecret(RECOVERY_KEY, secrets))?.toString() ?? null;
  const backups = await Backups.create({
    config: config.backups,
    hostDir: config.dataDir,
    readHost: () => ensureBackupHost(config.dataDir, log),
    subjects: () => subjects.all(),
    find: (name) => subjects.find(name),
    archivedIn: (name) => catalog.archived.backupOf(name),
    requirePrunable: (name) => requireKnownArchive(name, catalog.archived),
    masters: secrets.masterKeys,
    readRecoveryKey,
    settings,
    async ownBackups(name) {
      const owner = subjects.find(name)?.owner ?? null;
      return owner === null ? 0 : (await userLimits.of(owner)).own_backups;
    },
    isDiskHeld,
    spareBytes: () => diskReserve.state.spareBytes,
    clock,
    log,
  });
  return { backups, readRecoveryKey, subjects };
}
