import { lookup } from 'node:dns/promises';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { configureMail } from '../accounts/mail/mail-settings.ts';
import { MAX_TRUSTED_NETWORKS } from '../accounts/sign-in/sign-in-limits.ts';
import { configureSignInProviders } from '../accounts/sign-in/sign-in-providers.ts';
import { packageRoot } from '../base/package.ts';
import type { Config } from '../config/config.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import {
  allowDaemonAddresses,
  applyGuard,
  daemonAddresses,
  guardSettings,
} from '../pocketbase/data/guard-settings.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import { noteSessionKey } from '../secrets/session-key.ts';
import { globalInstance } from '../supervisor/global-instance.ts';
import { startGlobal } from '../supervisor/start/start-global.ts';
import type { DaemonServices } from './create-services.ts';
import type { Host } from './prepare-host.ts';

const LOOPBACK = ['127.0.0.1', '::1'];
const EVERY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/**
 * Starts the global PocketBase, or takes over the process that an earlier daemon left, and updates its settings. Tests the
 * migrations of user databases at the same time.
 *
 * @param processes running processes of the global PocketBase
 * @param nodes addresses of other nodes that use it, see `configureGuard`
 * @throws FathomError `control_plane.unavailable`
 */
export async function startControlPlane(
  config: Config,
  {
    host,
    services,
    processes,
    nodes,
  }: {
    host: Host;
    services: DaemonServices;
    processes: readonly FoundProcess[];
    nodes: readonly string[];
  },
): Promise<void> {
  const { fleet, controlPlane, clock, log } = services;
  const spec = globalInstance({
    config,
    binary: host.globalBinary,
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
  await configureMail(controlPlane, config);
  await configureGuard(controlPlane, config, nodes);
  await restoreSignInAddresses(services);
}

const RETRY_MS = 1_000;

/**
 * Uses the control plane of another node. Waits until it answers.
 *
 * @param options.moved aborts when it is on another node
 * @throws the reason of `stopping`, FathomError `control_plane.unavailable` after `moved`
 */
export async function followControlPlane(
  url: string,
  {
    services,
    stopping,
    moved,
    onWait,
  }: {
    services: DaemonServices;
    stopping: AbortSignal;
    moved: AbortSignal;
    onWait: (message: string) => void;
  },
): Promise<void> {
  const { controlPlane, queue, clock } = services;
  controlPlane.redirect(url);
  queue.redirect(url);
  await services.tryMigrations();
  for (;;) {
    stopping.throwIfAborted();
    try {
      // A server that is cut off does not refuse connections.
      await unlessMoved(controlPlane.token(), moved);
      await restoreSignInAddresses(services);
      return;
    } catch (error) {
      if (!(error instanceof FathomError) || error.code !== 'control_plane.unavailable') throw error;
      if (moved.aborted) throw error;
      onWait(error.message);
      await clock.sleep(RETRY_MS, AbortSignal.any([stopping, moved]));
    }
  }
}

async function unlessMoved<T>(work: Promise<T>, moved: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = () =>
    reject(new FathomError('control_plane.unavailable', 'the control plane is on another node now'));
  moved.addEventListener('abort', end);
  if (moved.aborted) end();
  try {
    return await Promise.race([work, promise]);
  } finally {
    moved.removeEventListener('abort', end);
  }
}

/** Lets owners sign in from their addresses while others fail on purpose, also after a restart of the daemon. */
async function restoreSignInAddresses(services: DaemonServices): Promise<void> {
  const { sessionRepository, signInLimits } = services;
  for (const { email, address } of await sessionRepository.listAddresses(MAX_TRUSTED_NETWORKS)) {
    signInLimits.restore(email, address);
  }
}

/**
 * Sets the rate limits and trusted proxies of the global PocketBase, and lets other nodes use it.
 *
 * @param nodes addresses or host names of the other nodes. They may be superusers, and limit sign-ins themselves
 * @returns why some nodes cannot use it yet; null when all can
 * @throws FathomError `control_plane.unavailable`
 */
export async function configureGuard(
  client: ControlPlaneClient,
  { limits, trustedProxies, bindAddress }: Pick<Config, 'limits' | 'trustedProxies' | 'bindAddress'>,
  nodes: readonly string[],
): Promise<string | null> {
  // The daemon limits sign-ins through its API itself. It connects from loopback or from the bind address.
  const { address } = await lookup(bindAddress);
  const { others, problem } = await addressesOf(nodes);
  const exempt = [...new Set([...LOOPBACK, address, ...others])].filter((one) => !EVERY_ADDRESS.has(one));
  const guard = guardSettings({ limits, trustedProxies, general: '', exempt });
  await client.call(async (pocketbase) => {
    const settings = await pocketbase.settings.getAll();
    const allowing = allowDaemonAddresses(settings, [...daemonAddresses(bindAddress), ...others]);
    if (allowing === null && applyGuard(settings, guard) === null) return;
    const { superuserIPs } = allowing ?? settings;
    await pocketbase.settings.update({ ...guard, superuserIPs });
  });
  return problem;
}

async function addressesOf(hosts: readonly string[]): Promise<{ others: string[]; problem: string | null }> {
  const results = await Promise.allSettled(hosts.map((host) => lookup(host, { all: true })));
  const found = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  const others = new Set(found.map(({ address }) => address).filter((one) => !EVERY_ADDRESS.has(one)));
  const failed = results.find((result) => result.status === 'rejected');
  return { others: [...others].toSorted(), problem: failed ? messageOf(failed.reason) : null };
}
