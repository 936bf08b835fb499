import { hostname } from 'node:os';
import { join } from 'node:path';
import type { DaemonStatus } from '../../shared/api/daemon.ts';
import { isInTrouble } from '../../shared/instance.ts';
import { Mailer } from '../accounts/mail/mailer.ts';
import { Alerts } from '../alerts/alerts.ts';
import { CertificateWatch } from '../alerts/certificate-watch.ts';
import { findProblems } from '../alerts/find-problems.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { Services } from './routes.ts';
import type { ServiceOptions } from './service-options.ts';

/** The monitor takes a sample each minute, and longer with thousands of databases. */
const STALE_SAMPLE_MS = 5 * 60_000;

export function createAlerts({
  config,
  settings,
  status,
  fleet,
  clock,
  log,
  options,
}: {
  config: Config;
  settings: LiveSettings;
  status: Services['status'];
  fleet: Fleet;
  clock: Clock;
  log: Logger;
  options: Pick<ServiceOptions, 'alertClock'>;
}): Alerts {
  const certificate = new CertificateWatch(clock);
  return new Alerts({
    file: join(config.dataDir, 'alerts.json'),
    settings,
    observe: async () => {
      const now = await status();
      const instances = fleet.list(({ state: { phase, reason, observed } }) =>
        isInTrouble({ phase, reason, desired: observed.desired }),
      );
      const ofCertificate = await certificate.findProblems(settings.siteUrl);
      return { ...findProblems(now, instances, ofCertificate), unhealthy: findStoppedLoop(now, clock.now()) };
    },
    mailer: new Mailer({ settings, log }),
    fleetName: () => settings.siteUrl ?? hostname(),
    clock: options.alertClock ?? clock,
    log,
  });
}

/** Why the daemon does not work as it should; null if it does. The sampling has a loop of its own. */
function findStoppedLoop({ ready, usage }: Pick<DaemonStatus, 'ready' | 'usage'>, now: Date): string | null {
  if (!ready) return 'the daemon is not ready';
  if (usage === null) return 'the fleet was not sampled yet';
  const ageMs = now.getTime() - Date.parse(usage.at);
  return ageMs > STALE_SAMPLE_MS ? `the fleet was not sampled since ${usage.at}` : null;
}
