import { join } from 'node:path';
import type { Rollout } from '../../shared/api/rollouts.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Catalog } from '../databases/catalog.ts';
import type { Templates } from '../databases/provisioning/templates.ts';
import type { Binaries } from '../pocketbase/binary/binaries.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { ChangeStep } from './change.ts';
import { DatabaseThread } from './data/database-thread.ts';
import { Journals } from './journal.ts';
import { migrationChangeOf, outdatedReason, planMigrations } from './migrations-rollout.ts';
import { planUpgrade, upgradeOf, versionReason } from './pocketbase-rollout.ts';
import { type RolloutOptions, skipReason } from './rollout-plan.ts';
import { RolloutStore } from './rollout-store.ts';
import { Rollouts } from './rollouts.ts';

/** Plans rollouts of both kinds, see `planUpgrade` and `planMigrations`. */
export interface RolloutPlanner {
  planUpgrade(request: RolloutOptions & { version: string; back: boolean }): ReturnType<typeof planUpgrade>;
  planMigrations(request: RolloutOptions): ReturnType<typeof planMigrations>;
}

/** Creates the services of rollouts. */
export function createRollouts({
  dataDir,
  onStep,
  onChange,
  ...deps
}: {
  dataDir: string;
  catalog: Catalog;
  fleet: Fleet;
  driver: ProcessDriver;
  binaries: Binaries;
  templates: Templates;
  audit: Pick<AuditTrail, 'recordDaemonAction'>;
  onStep: ((step: ChangeStep, database: string) => void) | undefined;
  onChange: (rollout: Rollout) => void;
  clock: Clock;
  log: Logger;
}): { rollouts: Rollouts; rolloutPlanner: RolloutPlanner } {
  const { binaries, templates } = deps;
  const directory = join(dataDir, 'rollouts');
  const thread = new DatabaseThread();
  const rollouts = new Rollouts({
    ...deps,
    thread,
    journals: new Journals(join(directory, 'journals'), (file, why) =>
      deps.log.error(
        `cannot read what a change of a database has done, so the database starts with the data that it has: ${why}; remove ${file}`,
      ),
    ),
    store: new RolloutStore(directory),
    binaryOf: async (version) => {
      const binary = await binaries.require(version);
      await templates.prepare(binary);
      return binary;
    },
    changeOf: (plan, entry) =>
      plan.kind === 'pocketbase' ? upgradeOf(plan, { binaries }) : migrationChangeOf(plan, entry),
    skipReason: (plan, entry) =>
      skipReason(entry) ??
      (plan.kind === 'pocketbase' ? versionReason(entry, plan) : outdatedReason(plan, { templates })),
    onStep:
      onStep ?? ((step, database) => deps.log.debug({ instance: database, step }, 'changing a database')),
    onChange,
  });
  return {
    rollouts,
    rolloutPlanner: {
      planUpgrade: (request) => planUpgrade(request, deps),
      planMigrations: (request) => planMigrations(request, deps),
    },
  };
}
