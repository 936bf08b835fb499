import { configureMail } from '../accounts/mail/mail-settings.ts';
import type { SignInLimits } from '../accounts/sign-in/sign-in-limits.ts';
import { configureSignInProviders } from '../accounts/sign-in/sign-in-providers.ts';
import type { SignUpLimits } from '../accounts/sign-up/sign-up-limits.ts';
import type { InactiveDatabases } from '../backups/archived/inactive-databases.ts';
import type { Logger } from '../base/log/log.ts';
import { reloadWritten } from '../config/backups.ts';
import type { Config } from '../config/config.ts';
import { type LiveSettings, settingsThatNeedRestart } from '../config/live-settings.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import type { Catalog } from '../databases/catalog.ts';

/**
 * Applies a new configuration to the running daemon: log level, limits, sign-ups, sleep, restarts, mail, alerts, CORS and
 * sign-in providers. Instances are not restarted.
 *
 * @returns the names of other settings that differ and need a restart of the daemon
 */
export async function reload(
  next: Config,
  running: {
    config: Config;
    settings: LiveSettings;
    signInLimits: SignInLimits;
    signUpLimits: SignUpLimits;
    catalog: Pick<Catalog, 'plansChanged'>;
    controlPlane: ControlPlaneClient;
    inactive: Pick<InactiveDatabases, 'wake'>;
    log: Logger;
  },
): Promise<string[]> {
  const { config, settings, signInLimits, signUpLimits, catalog, controlPlane, inactive, log } = running;
  const { sleep_after: sleepAfter } = settings.limits.perUser;
  log.level = next.log.level;
  settings.corsOrigins = next.corsOrigins;
  settings.limits = next.limits;
  settings.signUps = next.signUps;
  settings.maxAwake = next.maxAwake;
  settings.trashDays = next.trashDays;
  settings.inactiveDays = next.inactiveDays;
  settings.restarts = next.restarts;
  settings.mail = next.mail;
  settings.siteUrl = next.siteUrl;
  settings.releaseSources = next.releaseSources;
  settings.alerts = next.alerts;
  settings.written = reloadWritten(settings.written, next.written);
  // Databases of plans without a time of their own show the new one.
  if (sleepAfter !== next.limits.perUser.sleep_after) catalog.plansChanged(() => true);
  signInLimits.configure(next.limits);
  signUpLimits.configure(next.limits.signUps);
  await configureSignInProviders(controlPlane, next.oauth);
  await configureMail(controlPlane, next);
  inactive.wake();
  return settingsThatNeedRestart(config, next);
}
