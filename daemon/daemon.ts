import { join } from 'node:path';
import type { DaemonStatus } from '../shared/api/daemon.ts';
import type { NewTask } from '../shared/api/queue.ts';
import { FathomError } from '../shared/errors.ts';
import { LOOK_EVERY_MS } from './backups/archived/inactive-databases.ts';
import { requireRestored } from './backups/restore/restore-host.ts';
import { reportRestores } from './backups/restore/restored-events.ts';
import type { Logger } from './base/log/log.ts';
import { type Clock, systemClock } from './base/time/clock.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { RestoreDatabases } from './cluster/join-fleet.ts';
import type { Config } from './config/config.ts';
import { seedDemo } from './databases/provisioning/demo.ts';
import type { Transport } from './http/caller.ts';
import { keepRunFiles } from './http/listen/keep-run-files.ts';
import { listenOnSocket, listenOnTcp } from './http/listen/listen.ts';
import { exposureOf } from './pocketbase/advisories/assess-releases.ts';
import { lackingOf, type Replicas } from './replication/create-replicas.ts';
import { createServices, type DaemonServices } from './startup/create-services.ts';
import { startPeriodicChecks } from './startup/periodic-checks.ts';
import { type Host, prepareHost } from './startup/prepare-host.ts';
import { reload } from './startup/reload.ts';
import { createApiWithStream } from './startup/routes.ts';
import type { ServiceOptions } from './startup/service-options.ts';
import { configureGuard, followControlPlane, startControlPlane } from './startup/start-control-plane.ts';
import { GLOBAL_NAME, globalDirOf } from './supervisor/global-instance.ts';
import { restoreDirOf } from './supervisor/instance-spec.ts';
import { findLeftovers } from './supervisor/start/leftovers.ts';
import { endEarlier, groupByInstance } from './supervisor/start/takeover.ts';
import { ActivityReader } from './work/feed/activity-reader.ts';
import { watchWrites } from './work/feed/watch-writes.ts';
import { WorkFeeds } from './work/feed/work-feeds.ts';

const PAGE_CHECK_MS = 3_600_000;

export interface DaemonOptions extends ServiceOptions {
  /** Descriptor of the local socket, if another process opened it; null opens it. */
  adminSocketFd?: number | null;
  /** How often each database file is checked, in milliseconds. */
  pageCheckMs?: number;
  /** How often databases that are not used are looked for, in milliseconds. */
  inactiveLookMs?: number;
  /** Aborts when the daemon shall stop, also while it starts. */
  stopping?: AbortSignal;
  /** What becomes of the instances of an earlier daemon when `stopping` ends the start. Default: they stop. */
  fleetEnd?: () => Promise<'stop' | 'leave'>;
}

interface StartedDaemon extends RunningDaemon {
  /** What became of the instances. A stop that comes before they are left stops them. */
  fleetEnd(): 'stop' | 'leave';
  /** Resolves when a member of a cluster must start again, because the control plane is on another node now, or on this one. */
  leaderChanged: Promise<void>;
}

export interface RunningDaemon {
  /** Stops everything in order, or leaves the instances running. May be called again. */
  stop(fleet?: 'stop' | 'leave'): Promise<void>;
  /** Applies a new configuration. Returns the changes that need a restart. */
  reload(config: Config): Promise<string[]>;
  instances(): DaemonStatus['instances'];
  /** Resolves when the daemon has stopped, rejects when it failed. */
  stopped: Promise<void>;
}

/** Starts the daemon. A member of a cluster starts again when the control plane moves; its databases run on. @throws as `startDaemon` */
export async function runDaemon(config: Config, options: DaemonOptions): Promise<RunningDaemon> {
  const first = await startUntilFollowed(config, options);
  if (config.cluster === null) return first;
  let [daemon, current] = [first, config];
  let end: 'stop' | 'leave' | null = null;
  const ending = new AbortController();
  const signals = [ending.signal, ...(options.stopping ? [options.stopping] : [])];
  const stopping = AbortSignal.any(signals);
  const fleetEnd = async () => end ?? (await options.fleetEnd?.()) ?? 'stop';
  const keep = async (): Promise<void> => {
    for (;;) {
      const isOver = daemon.stopped.then(() => true);
      if (await Promise.race([isOver, daemon.leaderChanged.then(() => false)])) return;
      await daemon.stop(end ?? 'leave');
      if (stopping.aborted && daemon.fleetEnd() === (await fleetEnd())) return;
      try {
        // The next daemon opens its own socket.
        daemon = await startUntilFollowed(current, { ...options, adminSocketFd: null, stopping, fleetEnd });
      } catch (error) {
        if (stopping.aborted && error === stopping.reason) return;
        throw error;
      }
      if (end !== null) await daemon.stop(end);
    }
  };
  const stopped = keep();
  return {
    stop(instances = 'stop') {
      end ??= instances;
      ending.abort();
      return Promise.race([daemon.stop(end).then(() => stopped), stopped]);
    },
    stopped,
    async reload(next) {
      current = next;
      return daemon.reload(next);
    },
    instances: () => daemon.instances(),
  };
}

/** Starts the daemon, again when the control plane of another node is lost meanwhile. @throws as `startDaemon` */
async function startUntilFollowed(config: Config, options: DaemonOptions): Promise<StartedDaemon> {
  for (let next = options; ; next = { ...options, adminSocketFd: null }) {
    const attempt = { isMember: false };
    try {
      return await startDaemon(config, next, attempt);
    } catch (error) {
      const isLost =
        attempt.isMember && error instanceof FathomError && error.code === 'control_plane.unavailable';
      if (!isLost) throw error;
    }
  }
}

/**
 * Starts the daemon, each part after those that it depends on. The release of each resource is registered on the line after
 * it was acquired. Resolves when the start of the instances has begun.
 *
 * @throws FathomError with an exit code. Everything that was started is stopped; user instances of an earlier daemon keep
 * running, unless `stopping` has ended the start
 */
async function startDaemon(
  config: Config,
  options: DaemonOptions,
  attempt: { isMember: boolean },
): Promise<StartedDaemon> {
  await using resources = new AsyncDisposableStack();
  const clock = systemClock;
  let fleetEnd: 'stop' | 'leave' | 'undo' = 'undo';
  let waitingFor: string | null = 'the global PocketBase';
  let replicas: Replicas | null = null;
  /** False when databases that ended without replication could not be kept with this node. */
  let areLacksKnown = true;

  await requireRestored(config.dataDir);
  const host = await prepareHost(config, { clock, resources });
  const { log } = host;
  const stopping = options.stopping ?? new AbortController().signal;
  const cluster = await openCluster(config, { version: options.version, stopping, clock, log });
  // After the fleet.
  resources.defer(() => {
    const lacking = replicas === null || !areLacksKnown ? null : lackingOf(replicas);
    return cluster?.leave(fleetEnd === 'stop' ? 'stop' : 'leave', lacking);
  });
  const services = await createServices({
    config,
    options,
    host,
    cluster,
    clock,
    waitingFor: () => cluster?.waitsFor ?? waitingFor,
    resources,
  });
  const { fleet, queue, catalog } = services;
  replicas = services;
  resources.defer(async () => {
    if (fleetEnd !== 'undo' || !stopping.aborted || (await options.fleetEnd?.()) === 'leave') return;
    fleetEnd = 'stop';
    const found = await services.driver.find();
    // Before they end: a daemon that is killed meanwhile must not lose what they wrote.
    areLacksKnown = (await cluster?.keepUnreplicated(found.map(({ instance }) => instance))) ?? true;
    await endEarlier(found, services);
  });
  // The fleet is stopped last, after everything that uses it.
  let isFleetClosed = false;
  resources.defer(() => {
    isFleetClosed = true;
    return fleet.close(fleetEnd);
  });
  resources.defer(() => services.audit.stop());
  // From here on, so that a daemon that does not become ready is reported.
  await services.alerts.start();
  resources.defer(() => services.alerts.stop());
  await listen(config, { host, services, resources, adminSocketFd: options.adminSocketFd ?? null });

  await services.replication.endFormer();
  // The control plane needs space for its start.
  await services.diskReserve.prepare();
  const lostFleet = Promise.withResolvers<FathomError>();
  const leaderChanged = Promise.withResolvers<void>();
  const moved = new AbortController();
  let restoreDatabases: RestoreDatabases | null = null;
  if (cluster) {
    const { joinFleet } = await import('./cluster/join-fleet.ts');
    const leaving = new AbortController();
    resources.defer(() => leaving.abort());
    restoreDatabases = await joinFleet(cluster, services, {
      config,
      replicas: {
        ownReplica: (name, epoch) => services.replication.paths.ofEpoch(name, epoch),
        restore: (path, file, signal) => services.replication.restoreLast(path, file, signal),
        fetchFiles: (name, wanted) => services.fileReplicas.fetch(name, wanted),
      },
      stopping: AbortSignal.any([stopping, leaving.signal]),
      onLost: lostFleet.resolve,
      onLeaderChanged() {
        moved.abort();
        leaderChanged.resolve();
      },
    });
  }
  const earlier = await services.driver.find();
  const cgroup = await services.driver.useCgroups(
    config.cgroup,
    earlier.map(({ pid, instance: name }) => ({ pid, name, kind: name === GLOBAL_NAME ? 'global' : 'user' })),
  );
  log.info({ cgroup }, cgroup.reason === null ? 'instances have cgroups' : 'instances have no cgroups');
  const found = groupByInstance(earlier);
  const leader = cluster?.share.leader ?? null;
  attempt.isMember = leader !== null;
  const nodes = cluster?.share.otherAddresses ?? [];
  const onWait = (message: string) => (waitingFor = `node ${leader?.node ?? ''}: ${message}`);
  const look = () => findLeftovers(config.userDatabasesDir, [globalDirOf(config.dataDir)]);
  // A node of a cluster looks after its restores, which change them.
  let [leftovers] = await Promise.all([
    restoreDatabases === null ? look() : new Set<string>(),
    leader === null
      ? startControlPlane(config, {
          host,
          services,
          processes: found.get(GLOBAL_NAME) ?? [],
          nodes,
        })
      : followControlPlane(leader.url, { services, stopping, moved: moved.signal, onWait }),
  ]);
  found.delete(GLOBAL_NAME);
  if (leader === null)
    cluster?.share.admitOthers(async (others) => {
      const problem = await configureGuard(services.controlPlane, config, others);
      if (problem !== null) throw new Error(problem);
    });

  const { reconciler, lifecycle, signInGate } = services;
  const owned = cluster?.ownedNames() ?? [];
  await Promise.all([reconciler.load(), services.trash.load()]);
  await cluster?.prune(owned, (name) => catalog.find(name) !== null || catalog.trashed.find(name) !== null);
  const routes =
    cluster && (await import('./cluster/routes/publish-routes.ts')).publishRoutes(cluster.routes, services);
  resources.defer(() => routes?.end(fleetEnd === 'stop' ? 'stop' : 'leave'));
  let unrestored: ReadonlySet<string> = new Set();
  if (restoreDatabases) {
    signInGate.open();
    // On a member, it would be the route of a control plane that has been claimed and does not run yet.
    if (leader === null) routes?.openApi(config.server.port);
    waitingFor = 'the databases of this node';
    unrestored = await restoreDatabases();
    // Interrupted restores of a takeover have ended, or begin again with the start of their database.
    const begunAgain = new Set(
      [...unrestored].map((name) => restoreDirOf(join(config.userDatabasesDir, name))),
    );
    leftovers = new Set([...(await look())].filter((path) => !begunAgain.has(path)));
  }
  await services.pruneTemplates();
  await services.backups.load();
  resources.defer(() => reconciler.stop());
  const { rollouts, restores, drills } = services;
  resources.defer(() => rollouts.stop());
  resources.defer(() => restores.stop());
  resources.defer(() => services.archives.stop());
  resources.defer(() => services.exports.stop());
  const left = await rollouts.recover([...found.values()].flat(), leftovers);
  if (config.eventWebhook !== null)
    reportRestores(restores, { ...services, addTask: (task) => queue.add(task) });
  let adoptable = left;
  // Most starts find nothing, and these look through all databases.
  if (leftovers.size > 0) {
    const drilled = leader === null ? await drills.recover(left, leftovers) : left;
    adoptable = await restores.recover(drilled, leftovers);
    await services.archives.recover(leftovers);
  }
  const { opened } = await reconciler.startAll(adoptable, unrestored);
  signInGate.begin();
  services.journal.noteLoaded();
  if (cluster) await opened;
  routes?.openDatabases();
  resources.defer(() => queue.stop());
  const startQueue = async () => {
    await lifecycle.finishInterrupted(config.userDatabasesDir);
    // Afterwards, because deletions that end now request erasures.
    if (leader !== null) return;
    await services.erasures.load();
    waitingFor = 'the queue worker';
    await queue.start();
  };
  await Promise.all([opened, startQueue()]);
  rollouts.begin();
  if (options.demo && leader === null) {
    waitingFor = 'the demo data';
    await seedDemo({ ...services, addTask: (task: NewTask) => queue.add(task) });
  }
  waitingFor = null;
  log.info({ databases: catalog.size, api: services.apiUrl }, 'the daemon is ready');
  const { versions, remedy } = exposureOf(fleet.versions());
  if (remedy !== null) log.warn({ versions }, `instances have a vulnerable PocketBase; ${remedy}`);

  startPeriodicChecks({
    host,
    services,
    resources,
    userDatabasesDir: config.userDatabasesDir,
    retentionMs: config.log.retentionMs,
    pageCheckMs: options.pageCheckMs ?? PAGE_CHECK_MS,
    inactiveLookMs: options.inactiveLookMs ?? LOOK_EVERY_MS,
  });

  const acquired = resources.move();
  const stopped = Promise.withResolvers<void>();
  let ending: Promise<void> | null = null;
  const end = (instances: 'stop' | 'leave', finish: () => void): Promise<void> => {
    if (ending === null) {
      fleetEnd = instances;
      cluster?.beginStop();
    } else if (instances === 'stop' && !isFleetClosed) fleetEnd = 'stop';
    ending ??= acquired.disposeAsync().then(finish, stopped.reject);
    return stopped.promise;
  };
  // `stopped` reports it.
  void lostFleet.promise.then((error) => void end('stop', () => stopped.reject(error)));
  return {
    stop: (instances = 'stop') => end(instances, stopped.resolve),
    stopped: stopped.promise,
    fleetEnd: () => (fleetEnd === 'leave' ? 'leave' : 'stop'),
    leaderChanged: leaderChanged.promise,
    reload: (next) => reload(next, { ...services, config }),
    instances: () => fleet.countByPhase(),
  };
}

/** Null without FATHOM_CLUSTER: then no module of the cluster is loaded. */
async function openCluster(
  { cluster, dataDir, server, replica, aesMasterKey, jwt, pbEncryptionKey }: Config,
  options: { version: string; stopping: AbortSignal; clock: Clock; log: Logger },
): Promise<Cluster | null> {
  if (cluster === null) return null;
  const { openCluster: open } = await import('./cluster/open-cluster.ts');
  return open(cluster, {
    ...options,
    dataDir,
    hasReplica: replica.target !== null,
    secrets: [aesMasterKey, jwt.secret, pbEncryptionKey],
    controlPlane: GLOBAL_NAME,
    apiPort: server.port,
  });
}

/** Opens the API on TCP and on the local socket. Until the daemon is ready, most routes respond `daemon.starting`. */
async function listen(
  config: Config,
  {
    host,
    services,
    resources,
    adminSocketFd,
  }: { host: Host; services: DaemonServices; resources: AsyncDisposableStack; adminSocketFd: number | null },
): Promise<void> {
  const reader = resources.use(new ActivityReader(services));
  const workFeeds = resources.use(new WorkFeeds({ ...services, reader, watchWrites }));
  const create = (transport: Transport) => createApiWithStream(services, workFeeds, transport);
  const tcp = await listenOnTcp(create, config, services);
  resources.defer(() => tcp.close());
  const socket = await listenOnSocket(create, config, {
    inherited: adminSocketFd,
    instances: () => services.fleet.pids().add(services.driver.keeperPid ?? process.pid),
    isInInstance: (pid) => services.driver.isInInstance(pid),
    ownPrograms: services.ownPrograms,
    log: services.log,
  });
  resources.defer(() => socket.close());
  const runFiles = { directory: join(config.dataDir, 'run'), lock: host.lock, socket };
  resources.defer(keepRunFiles(runFiles, services));
}
