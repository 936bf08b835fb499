import { PROTOCOL_VERSION } from '../../shared/protocol.ts';
import type { AccountMails } from '../accounts/mail/account-mails.ts';
import type { Mailer } from '../accounts/mail/mailer.ts';
import type { Alerts } from '../alerts/alerts.ts';
import type { InactiveDatabases } from '../backups/archived/inactive-databases.ts';
import type { BackupOverview } from '../backups/service/overview.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import type { Catalog } from '../databases/catalog.ts';
import type { TrashRoutesDeps } from '../databases/trash/trash-routes.ts';
import type { ProxiesSeen } from '../http/proxies-seen.ts';
import type { Wakes } from '../metrics/wakes.ts';
import { exposureOf } from '../pocketbase/advisories/assess-releases.ts';
import type { ChildProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { Queue } from '../queue/queue.ts';
import { readQueueStats } from '../queue/queue-stats.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { Monitor } from '../supervisor/health/monitor.ts';
import { countDeleted } from './deleted-databases.ts';
import type { Host } from './prepare-host.ts';
import type { Services } from './routes.ts';

interface StatusDeps {
  version: string;
  startedAt: Date;
  config: Config;
  urls: { api: string; global: string };
  settings: LiveSettings;
  host: Host;
  fleet: Fleet;
  catalog: Catalog;
  driver: ChildProcessDriver;
  monitor: Monitor;
  wakes: Wakes;
  queue: Queue;
  accountMails: AccountMails;
  mailer: Mailer;
  proxiesSeen: ProxiesSeen;
  backupOverview: BackupOverview;
  /** They read the status, and are created after it. */
  alerts: () => Alerts;
  listDeleted: TrashRoutesDeps['listDeleted'];
  inactive: InactiveDatabases;
  /** What the daemon waits for; null when it is ready. */
  waitingFor: () => string | null;
  clock: Clock;
  log: Logger;
}

/** Returns the function that describes the daemon. */
export function daemonStatus(deps: StatusDeps): Services['status'] {
  const { config, settings, host, fleet, catalog, driver, waitingFor } = deps;
  const binary = host.binaries.fleet;
  return async () => {
    const tasks = waitingFor() === null ? await readQueueStats(deps) : null;
    return {
      version: deps.version,
      protocol: PROTOCOL_VERSION,
      pid: process.pid,
      started_at: deps.startedAt.toISOString(),
      ready: waitingFor() === null,
      waiting_for: waitingFor(),
      api_url: deps.urls.api,
      global_url: deps.urls.global,
      data_dir: config.dataDir,
      pocketbase_version: binary.version,
      pocketbase_path: binary.path,
      exposure: exposureOf(fleet.versions()),
      instances: fleet.countByPhase(),
      total_instances: fleet.size,
      sign_ups: {
        mode: settings.signUps.mode,
        databases: catalog.size,
        max_databases: settings.signUps.maxDatabases,
      },
      mail: {
        configured: tasks === null ? null : await deps.accountMails.recentlyConfigured(),
        problem: deps.mailer.problem,
      },
      queue: tasks?.counts ?? null,
      queue_paused: tasks?.paused ?? null,
      usage: deps.monitor.usage,
      sandbox: await driver.sandboxFor(binary.path),
      cgroup: driver.cgroups,
      sockets: await driver.sockets(),
      wakes: deps.wakes.lastHour,
      backups: deps.backupOverview.status(),
      alerts: deps.alerts().status,
      trash: { days: settings.trashDays, ...countDeleted(deps.listDeleted()) },
      inactive: deps.inactive.status(),
      log: host.logLosses(),
      proxies: deps.proxiesSeen.sightings,
    };
  };
}
