import { configureSignInProviders } from '../accounts/sign-in/sign-in-providers.ts';
import { packageRoot } from '../base/package.ts';
import type { Config } from '../config/config.ts';
import { configureGuard } from '../control-plane/guard.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import { noteSessionKey } from '../secrets/session-key.ts';
import { globalInstance } from '../supervisor/global-instance.ts';
import { startGlobal } from '../supervisor/start/start-global.ts';
import type { DaemonServices } from './create-services.ts';
import type { Host } from './prepare-host.ts';

/**
 * Starts the global PocketBase, or takes over the one that a former daemon left, and brings its settings up to date. The
 * migrations of user databases are tried out meanwhile.
 *
 * @param processes those of it that run already
 * @throws FathomError `control_plane.unavailable`
 */
export async function startControlPlane(
  config: Config,
  { host, services, processes }: { host: Host; services: DaemonServices; processes: readonly FoundProcess[] },
): Promise<void> {
  const { fleet, controlPlane, clock, log } = services;
  const spec = globalInstance({
    config,
    binary: host.binary,
    clock,
    root: packageRoot(),
    logsDir: host.logsDir,
    hookUrl: services.apiUrl,
    hookToken: services.hookToken,
    authorization: () => controlPlane.token(),
    log,
  });
  fleet.add(spec, config.globalPort);
  await Promise.all([startGlobal(processes, { fleet, spec }), services.tryMigrations()]);
  await controlPlane.token();
  await noteSessionKey(config.jwt, {
    client: controlPlane,
    masterKeys: services.masterKeys,
    seal: services.seal,
    log,
  });
  await configureSignInProviders(controlPlane, config.oauth);
  await configureGuard(controlPlane, config);
}
