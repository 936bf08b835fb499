import { join } from 'node:path';
import type { DatabaseRow } from '../../shared/hooks/control-plane-routes.ts';
import type { UserLimits } from '../accounts/plans/user-limits.ts';
import type { BackupRoutesDeps, OwnedSubject } from '../backups/backup-routes.ts';
import { Exports } from '../backups/export/exports.ts';
import { RecoveryKeys } from '../backups/keys/recovery-keys.ts';
import { CONTROL_PLANE } from '../backups/manifest.ts';
import { createRestores } from '../backups/restore/restore-services.ts';
import type { Restores } from '../backups/restore/restores.ts';
import { ensureBackupHost } from '../backups/service/backup-host.ts';
import { Backups } from '../backups/service/backups.ts';
import { BackupOverview, type OverviewDeps } from '../backups/service/overview.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import type { Catalog } from '../databases/catalog.ts';
import { exchangeSealedSecret, findSealedSecret, type SealedSecretsDeps } from '../secrets/sealed-secrets.ts';

/** The sealed secret with the public half of the recovery key. Sealed, so that it cannot be replaced in the table. */
const RECOVERY_KEY = 'backup-recovery-key';

/** Creates the services of backups. */
export async function createBackupServices({
  config,
  settings,
  catalog,
  globalData,
  secrets,
  userLimits,
  isDiskHeld,
  spareBytes,
  restoreOf,
  clock,
  log,
}: {
  config: Config;
  settings: LiveSettings;
  catalog: Catalog;
  /** `pb_data` of the control plane. */
  globalData: string;
  secrets: SealedSecretsDeps;
  userLimits: UserLimits;
  isDiskHeld: () => boolean;
  spareBytes: () => number;
  restoreOf: OverviewDeps['restoreOf'];
  clock: Clock;
  log: Logger;
}): Promise<Omit<BackupRoutesDeps, 'userLimits'>> {
  const controlPlane: OwnedSubject = { name: CONTROL_PLANE, dataDir: globalData, owner: null };
  const toSubject = ({ name, user }: Pick<DatabaseRow, 'name' | 'user'>): OwnedSubject => ({
    name,
    dataDir: join(catalog.directoryOf(name), 'pb_data'),
    owner: user,
  });
  const subjects = {
    // A deleted database keeps its backups until it is erased.
    *all(): Iterable<OwnedSubject> {
      for (const { row } of catalog.entries()) yield toSubject(row);
      for (const trashed of catalog.trashed.all()) yield toSubject(trashed);
      yield controlPlane;
    },
    find(name: string): OwnedSubject | null {
      if (name === CONTROL_PLANE) return controlPlane;
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
    masters: secrets.masterKeys,
    readRecoveryKey,
    settings,
    async ownBackups(name) {
      const owner = subjects.find(name)?.owner ?? null;
      return owner === null ? 0 : (await userLimits.of(owner)).own_backups;
    },
    isDiskHeld,
    spareBytes,
    clock,
    log,
  });
  return {
    backups,
    backupOverview: new BackupOverview({
      backups,
      config: config.backups,
      subjects: () => subjects.all(),
      restoreOf,
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

/** Creates the services that read backups: restores and downloads. */
export function createRestoreServices(deps: Parameters<typeof createRestores>[0]): {
  restores: Restores;
  exports: Exports;
} {
  const { config, masterKeys, backups, isDiskHeld, clock, log } = deps;
  return {
    restores: createRestores(deps),
    exports: new Exports({
      target: config.backups.target,
      hostDir: config.dataDir,
      masterKeys,
      backups,
      isDiskHeld,
      reserveBytes: config.diskReserveBytes,
      clock,
      log,
    }),
  };
}
