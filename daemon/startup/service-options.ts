import type { ArchiveStep } from '../audit/archive/audit-archive.ts';
import type { Clock } from '../base/time/clock.ts';
import type { ProvisionStep } from '../databases/provisioning/provisioner.ts';
import type { ChangeStep } from '../rollouts/change.ts';
import type { RestoreStep } from './backup-services.ts';
import type { Services } from './routes.ts';

/** What commands and tests set, beside the configuration. */
export interface ServiceOptions {
  demo: boolean;
  version: string;
  /** Called after each step of a provisioning. */
  onProvisionStep?: (step: ProvisionStep, name: string) => void;
  /** Migrations of user databases; the package's own by default. */
  userMigrationsDir?: string;
  /** Checks the host. Adds the pid of the process that does it to the set while it runs. */
  diagnose?: (running: Set<number>) => ReturnType<NonNullable<Services['diagnose']>>;
  /** How long the stop of an instance may take before it is killed, in milliseconds. */
  stopGraceMs?: number;
  /** Lifetime of a lease on a task, in milliseconds. */
  leaseMs?: number;
  /** Age at which entries of the audit log are archived, in milliseconds. */
  auditRetentionMs?: number;
  /** SLEEP_AFTER of all databases, in milliseconds. */
  sleepAfterMs?: number;
  /** Called when a step of the change of a database begins, or has ended. */
  onChangeStep?: (step: ChangeStep, database: string) => void;
  /** Called when a step of the restore of a database begins, or has ended. */
  onRestoreStep?: (step: RestoreStep, database: string) => void;
  /** Called after each step of archiving the audit log. */
  onArchiveStep?: (step: ArchiveStep) => void;
  /** The time of alerts. */
  alertClock?: Clock;
}
