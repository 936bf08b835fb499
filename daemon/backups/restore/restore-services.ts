import type { Templates } from '../../databases/provisioning/templates.ts';
import type { Binaries } from '../../pocketbase/binary/binaries.ts';
import { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import type { Rollouts } from '../../rollouts/rollouts.ts';
import { BackupProcesses } from '../run/backup-processes.ts';
import { MAX_RESTORES, Restores, type RestoresDeps } from './restores.ts';

/** Creates the service of restores. */
export function createRestores({
  binaries,
  templates,
  rollouts,
  onStep,
  ...deps
}: {
  binaries: Binaries;
  templates: Templates;
  rollouts: Rollouts;
  onStep: RestoresDeps['onStep'] | undefined;
} & Omit<RestoresDeps, 'processes' | 'binaryOf' | 'isChanging' | 'thread' | 'onStep'>): Restores {
  return new Restores({
    ...deps,
    processes: new BackupProcesses(MAX_RESTORES),
    binaryOf: async (version) => {
      const binary = await binaries.require(version);
      await templates.prepare(binary);
      return binary;
    },
    isChanging: (name) => rollouts.isChanging(name),
    thread: new DatabaseThread(),
    onStep:
      onStep ?? ((step, database) => deps.log.debug({ instance: database, step }, 'restoring a database')),
  });
}
