import type { Config } from '../../config/config.ts';
import type { Templates } from '../../databases/provisioning/templates.ts';
import type { Binaries } from '../../pocketbase/binary/binaries.ts';
import { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import type { Rollouts } from '../../rollouts/rollouts.ts';
import { answered } from '../run/answered.ts';
import { BackupProcesses } from '../run/backup-processes.ts';
import type { Backups } from '../service/backups.ts';
import { MAX_RESTORES, Restores, type RestoresDeps } from './restores.ts';

/** Creates the service of restores. */
export function createRestores({
  config,
  binaries,
  databases: { catalog, ownerSync, templates },
  rollouts,
  backups,
  replication,
  onStep,
  ...deps
}: {
  config: Config;
  binaries: Binaries;
  databases: Pick<RestoresDeps, 'catalog' | 'ownerSync'> & { templates: Templates };
  rollouts: Rollouts;
  backups: Backups;
  replication: RestoresDeps['replicas'];
  onStep: RestoresDeps['onStep'] | undefined;
} & Pick<
  RestoresDeps,
  'fleet' | 'driver' | 'masterKeys' | 'backUpBefore' | 'isDiskHeld' | 'clock' | 'log'
>): Restores {
  return new Restores({
    ...deps,
    target: config.backups.target,
    replicas: replication,
    reserveBytes: config.diskReserveBytes,
    catalog,
    ownerSync,
    inTurn: backups.inTurn,
    hold: backups.hold,
    requireUsedTarget: () => answered(backups.proofs.requireUsedTarget()),
    processes: new BackupProcesses(MAX_RESTORES),
    binaryOf: async ({ row, instance }) => {
      const binary = await binaries.require(row.pocketbase_version);
      await templates.prepare(binary, instance.choice);
      return binary;
    },
    isChanging: (name) => rollouts.isChanging(name),
    thread: new DatabaseThread(),
    onStep:
      onStep ?? ((step, database) => deps.log.debug({ instance: database, step }, 'restoring a database')),
  });
}
