import type { Templates } from '../../databases/provisioning/templates.ts';
import type { Binaries } from '../../pocketbase/binary/binaries.ts';
import { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import type { Rollouts } from '../../rollouts/rollouts.ts';
import { openTarget } from '../targets/open-target.ts';
import { Restores, type RestoresDeps } from './restores.ts';

/** Creates the service of restores. */
export function createRestores({
  target,
  binaries,
  templates,
  rollouts,
  onStep,
  ...deps
}: {
  /** BACKUP_TARGET */
  target: string;
  binaries: Binaries;
  templates: Templates;
  rollouts: Rollouts;
  onStep: RestoresDeps['onStep'] | undefined;
} & Omit<RestoresDeps, 'openTarget' | 'binaryOf' | 'isChanging' | 'thread' | 'onStep'>): Restores {
  return new Restores({
    ...deps,
    openTarget: () => openTarget(target),
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
