import { join } from 'node:path';
import type { Rollout } from '../../shared/api/rollouts.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Backups } from '../backups/service/backups.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import type { Templates } from '../databases/provisioning/templates.ts';
import type { Binaries } from '../pocketbase/binary/binaries.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import {
  type ApplicationChange,
  applicationChangeOf,
  applicationReason,
  planApplication,
} from './application-rollout.ts';
import type { Change, ChangeStep } from './change.ts';
import { DatabaseThread } from './data/database-thread.ts';
import { Journals } from './journal.ts';
import { migrationChangeOf, outdatedReason, planMigrations } from './migrations-rollout.ts';
import { planUpgrade, upgradeOf, versionReason } from './pocketbase-rollout.ts';
import type { RolloutPlan } from './rollout.ts';
import { type Planned, type RolloutOptions, skipReason } from './rollout-plan.ts';
import { RolloutStore } from './rollout-store.ts';
import { Rollouts } from './rollouts.ts';

/** Plans rollouts of all kinds, see `planUpgrade`, `planMigrations` and `planApplication`. */
export interface RolloutPlanner {
  planUpgrade(request: RolloutOptions & { version: string; back: boolean }): ReturnType<typeof planUpgrade>;
  planMigrations(request: RolloutOptions): ReturnType<typeof planMigrations>;
  planApplication(
    request: RolloutOptions & { name: string; kind: ApplicationChange },
  ): ReturnType<typeof planApplication>;
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
  const { binaries } = deps;
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
    binaryOf: (version) => binaries.require(version),
    changeOf: (plan, entry) => changeOf(plan, entry, deps),
    skipReason: (plan, entry) => reasonOf(plan, entry, deps),
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
      planApplication: async (request) =>
        withBackup(await planApplication(request, deps), backups().skipsChanges),
    },
  };
}

interface KindDeps {
  binaries: Binaries;
  templates: Templates;
}

function changeOf(plan: RolloutPlan, entry: CatalogEntry, { binaries, templates }: KindDeps): Change {
  switch (plan.kind) {
    case 'pocketbase':
      return upgradeOf(plan, { binaries, templates });
    case 'migrations':
      return migrationChangeOf(plan, entry, templates);
    default:
      return applicationChangeOf(plan, entry, templates);
  }
}

function reasonOf(plan: RolloutPlan, entry: CatalogEntry, { templates }: KindDeps): string | null {
  switch (plan.kind) {
    case 'pocketbase':
      return skipReason(entry) ?? versionReason(entry, plan);
    case 'migrations':
      return skipReason(entry) ?? outdatedReason(plan, entry, { templates });
    default:
      return applicationReason(entry, plan, templates);
  }
}

/** @param skipped why databases are not backed up before their change; null when they are */
function withBackup<V extends { backup_skipped: string | null }>(
  { plan, view }: Planned<V>,
  skipped: string | null,
): Planned<V> {
  return { plan: { ...plan, backup: skipped === null }, view: { ...view, backup_skipped: skipped } };
}
