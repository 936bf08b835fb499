import { join } from 'node:path';
import type { Rollout } from '../../shared/api/rollouts.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Catalog } from '../databases/catalog.ts';
import type { Binaries } from '../pocketbase/binary/binaries.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { ChangeStep } from './change.ts';
import { DatabaseThread } from './data/database-thread.ts';
import { Journals } from './journal.ts';
import { rehearseUpgrade, skipReason, upgradeOf } from './pocketbase-rollout.ts';
import { RolloutStore } from './rollout-store.ts';
import { Rollouts } from './rollouts.ts';

/** Creates the service of rollouts. */
export function createRollouts({
  dataDir,
  onStep = () => {},
  onChange,
  ...deps
}: {
  dataDir: string;
  catalog: Catalog;
  fleet: Fleet;
  driver: ProcessDriver;
  binaries: Binaries;
  audit: Pick<AuditTrail, 'recordDaemonAction'>;
  onStep: ((step: ChangeStep, database: string) => void) | undefined;
  onChange: (rollout: Rollout) => void;
  clock: Clock;
  log: Logger;
}): Rollouts {
  const { binaries } = deps;
  const directory = join(dataDir, 'rollouts');
  const thread = new DatabaseThread();
  return new Rollouts({
    ...deps,
    thread,
    journals: new Journals(join(directory, 'journals')),
    store: new RolloutStore(directory),
    binaryOf: (version) => binaries.require(version),
    changeOf: (plan, entry) => upgradeOf(plan, entry, { binaries }),
    rehearse: (plan, entry, signal) => rehearseUpgrade(plan, entry, { ...deps, thread }, signal),
    skipReason,
    onStep,
    onChange,
  });
}
