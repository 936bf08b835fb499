import { join } from 'node:path';
import type { Rollout } from '../../shared/api/rollouts.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Backups } from '../backups/service/backups.ts';
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
import { type Planned, type RolloutOptions, skipReason } from './rollout-plan.ts';
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
  backups,
  onStep,
  onChange,
  ...deps
}: {
  dataDir: string;
  /** They are created later. */
  backups: () => Pick<Backups, 'skipsChanges' | 'backUpBeforeChange'>;
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
    backUp: (name) => backups().backUpBeforeChange(name),
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
      planUpgrade: async (request) => withBackup(await planUpgrade(request, deps), backups().skipsChanges),
      planMigrations: async (request) =>
        withBackup(await planMigrations(request, deps), backups().skipsChanges),
    },
  };
}

/** @param skipped why databases are not backed up before their change; null when they are */
function withBackup<V extends { backup_skipped: string | null }>(
  { plan, view }: Planned<V>,
  skipped: string | null,
): Planned<V> {
  return { plan: { ...plan, backup: skipped === null }, view: { ...view, backup_skipped: skipped } };
}
