import { join } from 'node:path';
import type { DaemonStatus } from '../shared/status.ts';
import type { NewTask } from '../shared/task.ts';
import { systemClock } from './base/time/clock.ts';
import type { Config } from './config/config.ts';
import { seedDemo } from './databases/provisioning/demo.ts';
import type { Transport } from './http/caller.ts';
import { keepRunFiles } from './http/listen/keep-run-files.ts';
import { listenOnSocket, listenOnTcp } from './http/listen/listen.ts';
import { createServices, type DaemonServices, type ServiceOptions } from './startup/create-services.ts';
import { keepWatch } from './startup/keep-watch.ts';
import { type Host, prepareHost } from './startup/prepare-host.ts';
import { reload } from './startup/reload.ts';
import { serveAll } from './startup/routes.ts';
import { startControlPlane } from './startup/start-control-plane.ts';
import { GLOBAL_NAME } from './supervisor/global-instance.ts';
import { byInstance } from './supervisor/start/takeover.ts';

const PAGE_CHECK_MS = 3_600_000;

export interface DaemonOptions extends ServiceOptions {
  /** The local socket, when it was opened for this process; null opens it. */
  adminSocketFd?: number | null;
  /** How often each database is read through, in milliseconds. */
  pageCheckMs?: number;
}

export interface RunningDaemon {
  /** Ends everything in order, or everything but the instances; safe to call again. */
  stop(fleet?: 'stop' | 'leave'): Promise<void>;
  /** Applies what can be applied under way; says what else differs and needs a restart. */
  reload(config: Config): Promise<string[]>;
  instances(): DaemonStatus['instances'];
  /** Resolves when the daemon has stopped, rejects when it broke. */
  stopped: Promise<void>;
}

/**
 * Builds everything, in the order in which it depends on each other, and registers the release of each thing on the line
 * after it was acquired. Resolves when the fleet's start has begun.
 *
 * @throws FathomError with the exit code for what is wrong; what was started is ended then, and user instances that an
 * earlier daemon left go on
 */
export async function runDaemon(config: Config, options: DaemonOptions): Promise<RunningDaemon> {
  await using resources = new AsyncDisposableStack();
  const clock = systemClock;
  let fleetEnd: 'stop' | 'leave' | 'undo' = 'undo';
  let waitingFor: string | null = 'the global PocketBase';

  const host = await prepareHost(config, { clock, resources });
  const services = await createServices({
    config,
    options,
    host,
    clock,
    waitingFor: () => waitingFor,
    resources,
  });
  const { fleet, queue, catalog, log } = services;
  // The fleet is stopped last, after everything that could ask something of it.
  resources.defer(() => fleet.close(fleetEnd));
  resources.defer(() => services.audit.stop());
  await listen(config, { host, services, resources, adminSocketFd: options.adminSocketFd ?? null });

  const found = byInstance(await services.driver.find());
  await startControlPlane(config, { host, services, processes: found.get(GLOBAL_NAME) ?? [] });
  found.delete(GLOBAL_NAME);

  const { reconciler, ownerSync, lifecycle } = services;
  await reconciler.load();
  await ownerSync.load();
  resources.defer(() => reconciler.stop());
  await reconciler.startAll([...found.values()].flat());
  await lifecycle.finishInterrupted(config.userDatabasesDir);

  waitingFor = 'the queue worker';
  resources.defer(() => queue.stop());
  await queue.start();
  if (options.demo) {
    waitingFor = 'the demo data';
    await seedDemo({ ...services, addTask: (task: NewTask) => queue.add(task) });
  }
  waitingFor = null;
  log.info({ databases: catalog.entries().length, api: services.apiUrl }, 'the daemon is ready');

  keepWatch({
    host,
    services,
    resources,
    retentionMs: config.log.retentionMs,
    pageCheckMs: options.pageCheckMs ?? PAGE_CHECK_MS,
  });

  const held = resources.move();
  const stopped = Promise.withResolvers<void>();
  let stopping: Promise<void> | null = null;
  return {
    stop: (fleetIs = 'stop') => {
      if (stopping === null) fleetEnd = fleetIs;
      stopping ??= held.disposeAsync().then(stopped.resolve, stopped.reject);
      return stopped.promise;
    },
    stopped: stopped.promise,
    reload: (next) => reload(next, { ...services, config }),
    instances: () => fleet.countByPhase(),
  };
}

/** Opens the API on TCP and on the local socket. It answers that the daemon is starting, until it is ready. */
async function listen(
  config: Config,
  {
    host,
    services,
    resources,
    adminSocketFd,
  }: { host: Host; services: DaemonServices; resources: AsyncDisposableStack; adminSocketFd: number | null },
): Promise<void> {
  const create = (transport: Transport) => serveAll(services, transport);
  const tcp = await listenOnTcp(create, config.server.host, config.server.port);
  resources.defer(() => tcp.close());
  const socket = await listenOnSocket(create, config, adminSocketFd);
  resources.defer(() => socket.close());
  const runFiles = { directory: join(config.dataDir, 'run'), lock: host.lock, socket };
  resources.defer(keepRunFiles(runFiles, services));
}
