import type { z } from 'zod';
import type { getDoctorReport } from '../../shared/api/host.ts';
import type { DaemonStatus } from '../../shared/status.ts';
import type { Identities } from '../accounts/sessions/identities.ts';
import type { SessionRepository } from '../accounts/sessions/session-repository.ts';
import type { Sessions } from '../accounts/sessions/sessions.ts';
import type { Tickets } from '../accounts/sessions/tickets.ts';
import type { SignInLimits } from '../accounts/sign-in/sign-in-limits.ts';
import type { UserRepository } from '../accounts/user-repository.ts';
import type { AuditRepository } from '../audit/audit-repository.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { Logger } from '../base/log/log.ts';
import type { Losses } from '../base/log/log-sink.ts';
import type { RecentLog } from '../base/log/recent-log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import type { Catalog } from '../databases/catalog.ts';
import type { DatabaseLifecycle } from '../databases/lifecycle.ts';
import type { OwnerSync } from '../databases/owner/owner-sync.ts';
import type { Provisioner } from '../databases/provisioning/provisioner.ts';
import type { TemplateStore } from '../databases/provisioning/template.ts';
import type { EventBus } from '../events/bus.ts';
import type { Journal } from '../events/journal.ts';
import type { Activity } from '../metrics/activity.ts';
import type { Queue } from '../queue/queue.ts';
import type { SecretRotation } from '../secrets/secret-rotation.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { Monitor } from '../supervisor/health/monitor.ts';
import type { Caller } from './caller.ts';

export type DoctorReport = z.output<(typeof getDoctorReport)['responses'][200]['schema']>;

/** What the routes work with. */
export interface ApiDeps {
  fleet: Fleet;
  catalog: Catalog;
  lifecycle: DatabaseLifecycle;
  provisioner: Provisioner;
  template: Pick<TemplateStore, 'files' | 'problem' | 'readNow' | 'warnings'>;
  ownerSync: OwnerSync;
  users: UserRepository;
  sessions: Sessions;
  sessionRepository: SessionRepository;
  identities: Identities;
  tickets: Tickets<Caller>;
  queue: Queue;
  audit: AuditTrail;
  auditRepository: AuditRepository;
  bus: EventBus;
  journal: Journal;
  monitor: Monitor;
  clock: Clock;
  log: Logger;
  /** Lines of the daemon's log that could not be written. */
  logLosses: () => Losses;
  secretRotation: SecretRotation;
  /** Authenticates the hooks of the global PocketBase. */
  hookToken: string;
  signInLimits: SignInLimits;
  trustedProxies: readonly string[];
  settings: LiveSettings;
  version: string;
  /** Of new instances. */
  pocketbaseVersion: string;
  activity: Activity;
  /** Checks the host; null where that is not possible. */
  diagnose: (() => Promise<DoctorReport['findings']>) | null;
  recentLog: RecentLog;
  status: () => Promise<Omit<DaemonStatus, 'permissions'>>;
  /** Null when the daemon is ready, else what it waits for. */
  waitingFor: () => string | null;
}
