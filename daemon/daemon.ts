import { dirname, join } from 'node:path';
import { PROTOCOL_VERSION } from '../shared/protocol.ts';
import { exemptFromProxy } from '../shared/proxy-exemptions.ts';
import type { DaemonStatus } from '../shared/status.ts';
import type { NewTask } from '../shared/task.ts';
import { configureSignInProviders } from './accounts/sign-in/sign-in-providers.ts';
import { UserRepository } from './accounts/user-repository.ts';
import { lockDataDir } from './base/files/data-dir-lock.ts';
import { makePrivateDir } from './base/files/dir.ts';
import { createLog, logOutput } from './base/log/log.ts';
import { RecentLog } from './base/log/recent-log.ts';
import { packageRoot } from './base/package.ts';
import { systemClock } from './base/time/clock.ts';
import type { Config } from './config/config.ts';
import type { LiveSettings } from './config/live-settings.ts';
import { ControlPlaneClient } from './control-plane/client.ts';
import { configureGuard } from './control-plane/guard.ts';
import { DatabaseRepository } from './databases/database-repository.ts';
import { databaseServices } from './databases/database-services.ts';
import { keepReconciled } from './databases/keep-reconciled.ts';
import { seedDemo } from './databases/provisioning/demo.ts';
import type { ProvisionStep } from './databases/provisioning/provisioner.ts';
import { EventBus } from './events/bus.ts';
import { Journal } from './events/journal.ts';
import type { ApiDeps } from './http/deps.ts';
import { keepRunFiles } from './http/listen/keep-run-files.ts';
import { listenOnSocket, listenOnTcp } from './http/listen/listen.ts';
import { identityServices } from './identity-services.ts';
import { hookTokenOf } from './keys/hook-token.ts';
import { guardedSeal, masterKeysOf } from './keys/master-keys.ts';
import { Activity } from './metrics/activity.ts';
import { verifyBinary } from './pocketbase/binary/binary.ts';
import { keyUseOf } from './pocketbase/data/key-use.ts';
import { InstanceLog } from './pocketbase/logs/instance-log.ts';
import { urlHost } from './pocketbase/process/command.ts';
import { fleetIdOf } from './pocketbase/process/fleet-id.ts';
import { probe } from './pocketbase/process/probe.ts';
import { ChildProcessDriver } from './pocketbase/process/process-driver.ts';
import { readQueueStats } from './queue/queue-stats.ts';
import { daemonQueue } from './queue/worker/daemon-host.ts';
import { reload } from './reload.ts';
import { noteSessionKey } from './secrets/session-key.ts';
import { Fleet } from './supervisor/fleet.ts';
import { GLOBAL_NAME, globalInstance } from './supervisor/global-instance.ts';
import { Monitor } from './supervisor/health/monitor.ts';
import { type DamageRecord, watchPages } from './supervisor/health/page-watch.ts';
import { hostFiles } from './supervisor/instance-files.ts';
import { keepLogs, prepareLogs } from './supervisor/log-keeper.ts';
import { PortAllocator } from './supervisor/start/ports.ts';
import { startGlobal } from './supervisor/start/start-global.ts';
import { byInstance } from './supervisor/start/takeover.ts';
import { STOP_GRACE_MS } from './supervisor/start/terminate.ts';

const PAGE_CHECK_MS = 3_600_000;

export interface DaemonOptions {
  demo: boolean;
  version: string;
  /** Told after each step of a provisioning. */
  onProvisionStep?: (step: ProvisionStep, name: string) => void;
  /** Migrations of user databases; the package's own by default. */
  userMigrationsDir?: string;
  /** Checks the host. */
  diagnose?: NonNullable<ApiDeps['diagnose']>;
  /** The local socket, when it was opened for this process; null opens it. */
  adminSocketFd?: number | null;
  /** How long an instance that is to stop may take, in milliseconds. */
  stopGraceMs?: number;
  /** How long a task's worker may be silent, in milliseconds. */
  leaseMs?: number;
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
 * @throws FathomError with the exit code for what is wrong; nothing is left running then
 */
export async function runDaemon(config: Config, options: DaemonOptions): Promise<RunningDaemon> {
  // What this process and those that it starts make is for its user alone; the local socket is opened up by name.
  process.umask(0o077);
  exemptFromProxy([config.server.host, config.bindAddress]);
  await using resources = new AsyncDisposableStack();
  const clock = systemClock;
  const startedAt = clock.now();
  const random = Math.random;
  const settings: LiveSettings = { corsOrigins: config.corsOrigins, limits: config.limits };
  let fleetEnd: 'stop' | 'leave' = 'stop';
  let waitingFor: string | null = 'the global PocketBase';

  const logsDir = config.log.dir ?? join(config.dataDir, 'logs');
  for (const directory of [
    config.dataDir,
    config.userDatabasesDir,
    join(config.dataDir, 'run'),
    dirname(config.socketPath),
    join(config.dataDir, GLOBAL_NAME),
  ]) {
    await makePrivateDir(directory);
  }
  const lock = lockDataDir(config.dataDir);
  resources.defer(() => lock.release());
  // The directory of the start may be removed, as by the next deployment; no process can be started in one that is gone.
  process.chdir(config.dataDir);
  const binary = await verifyBinary(config.binaryPath);
  const ownLog = config.log.dir
    ? new InstanceLog(join(config.log.dir, 'fathomd.log'), clock, config.log)
    : null;
  const output = logOutput({ file: ownLog?.path ?? null });
  const recentLog = new RecentLog();
  const log = createLog({ level: config.log.level, output, recent: recentLog });
  await prepareLogs(join(logsDir, 'instances'), ownLog, log);
  const root = packageRoot(import.meta.dirname);

  const bus = new EventBus((error) => log.error({ err: error }, 'a listener of the event bus failed'));
  const journal = new Journal(bus, clock);
  const activity = new Activity(bus);
  const driver = new ChildProcessDriver({ fleetId: await fleetIdOf(config.dataDir), clock });
  resources.defer(() => driver.close());
  const ports = new PortAllocator({ host: config.bindAddress, ...config.ports });
  const damage: DamageRecord = new Map();
  const fleet = new Fleet({
    driver,
    ports,
    probe,
    clock,
    bus,
    log,
    random,
    healthIntervalMs: config.healthIntervalMs,
    stopGraceMs: options.stopGraceMs ?? STOP_GRACE_MS,
    files: hostFiles(clock, damage),
  });

  const apiUrl = `http://${urlHost(config.server.host)}:${config.server.port}`;
  const globalUrl = `http://${urlHost(config.bindAddress)}:${config.globalPort}`;
  const hookToken = hookTokenOf(config.jwt.secret);
  const controlPlane = new ControlPlaneClient({ url: globalUrl, admin: config.admin, hookToken });
  const users = new UserRepository(controlPlane);
  const repository = new DatabaseRepository(controlPlane);
  const masterKeys = masterKeysOf(config);
  const seal = guardedSeal(masterKeys, keyUseOf(join(config.dataDir, GLOBAL_NAME, 'pb_data', 'data.db')));
  const identity = identityServices({ config, controlPlane, masterKeys, seal, bus, clock, log });

  const databases = databaseServices({
    config,
    repository,
    users,
    fleet,
    ports,
    driver,
    binary,
    masterKeys,
    seal,
    migrationsDir: options.userMigrationsDir ?? join(root, 'pb_migrations', 'user'),
    instanceLogsDir: join(logsDir, 'instances'),
    onProvisionStep: options.onProvisionStep,
    onProvisioned: (outcome, seconds) => activity.noteProvision(outcome, seconds),
    bus,
    clock,
    log,
    random,
  });
  const { catalog, provisioner, lifecycle, reconciler, ownerSync } = databases;
  const monitor = new Monitor({
    fleet,
    bus,
    clock,
    log,
    directories: [config.dataDir, config.userDatabasesDir, logsDir],
  });

  const queue = daemonQueue({
    config,
    controlPlane: { url: globalUrl, hookToken },
    catalog,
    provisioner,
    masterKeys,
    seal,
    // Where the demo's webhook goes.
    extraTargets: options.demo ? [new URL(apiUrl).host] : [],
    leaseMs: options.leaseMs,
    onAttempt: (type, outcome, seconds) => activity.noteAttempt(type, outcome, seconds),
    bus,
    clock,
    log,
  });
  const status: ApiDeps['status'] = async () => {
    const tasks = waitingFor === null ? await readQueueStats({ queue, fleet, clock, log }) : null;
    return {
      version: options.version,
      protocol: PROTOCOL_VERSION,
      pid: process.pid,
      started_at: startedAt.toISOString(),
      ready: waitingFor === null,
      waiting_for: waitingFor,
      api_url: apiUrl,
      global_url: globalUrl,
      data_dir: config.dataDir,
      pocketbase_version: binary.version,
      pocketbase_path: binary.path,
      instances: fleet.countByPhase(),
      total_instances: fleet.size,
      queue: tasks?.counts ?? null,
      queue_paused: tasks?.paused ?? null,
      usage: monitor.usage,
      log: output.losses(),
    };
  };
  const api: ApiDeps = {
    ...identity,
    fleet,
    catalog,
    lifecycle,
    provisioner,
    template: databases.template,
    ownerSync,
    users,
    queue,
    bus,
    journal,
    monitor,
    clock,
    log,
    hookToken,
    trustedProxies: config.trustedProxies,
    settings,
    logLosses: () => output.losses(),
    version: options.version,
    pocketbaseVersion: binary.version,
    activity,
    status,
    diagnose: options.diagnose ?? null,
    recentLog,
    waitingFor: () => waitingFor,
  };

  // The fleet is stopped last, after everything that could ask something of it.
  resources.defer(() => fleet.close(fleetEnd));
  resources.defer(() => identity.audit.stop());
  const tcp = await listenOnTcp(api, config.server.host, config.server.port);
  resources.defer(() => tcp.close());
  const socket = await listenOnSocket(api, config, options.adminSocketFd ?? null);
  resources.defer(() => socket.close());
  resources.defer(keepRunFiles({ directory: join(config.dataDir, 'run'), lock, socket }, { clock, log }));

  const found = byInstance(await driver.find());
  const globalSpec = globalInstance({
    config,
    binary,
    clock,
    root,
    logsDir,
    hookUrl: apiUrl,
    hookToken,
    authorization: () => controlPlane.token(),
    log,
  });
  fleet.add(globalSpec, config.globalPort);
  await Promise.all([
    startGlobal(found.get(GLOBAL_NAME) ?? [], { fleet, spec: globalSpec }),
    databases.tryMigrations(),
  ]);
  await controlPlane.token();
  found.delete(GLOBAL_NAME);

  await noteSessionKey(config.jwt, { client: controlPlane, masterKeys, seal, log });
  await configureSignInProviders(controlPlane, config.oauth);
  await configureGuard(controlPlane, config);
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
    const addTask = (task: NewTask) => queue.add(task);
    await seedDemo({ users, provisioner, addTask, audit: identity.audit, apiUrl, log });
  }
  waitingFor = null;
  log.info({ databases: catalog.entries().length, api: apiUrl }, 'the daemon is ready');

  monitor.start();
  resources.defer(() => monitor.stop());
  const everyMs = options.pageCheckMs ?? PAGE_CHECK_MS;
  resources.defer(watchPages({ fleet, damage, everyMs, clock, log }));
  resources.defer(() => provisioner.idle());
  resources.defer(
    keepLogs({
      fleet,
      own: ownLog,
      directory: join(logsDir, 'instances'),
      retentionMs: config.log.retentionMs,
      clock,
      log,
    }),
  );
  ownerSync.start();
  resources.defer(() => ownerSync.stop());
  resources.defer(keepReconciled({ reconciler, bus, clock, log }));

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
    reload: (next) =>
      reload(next, { config, settings, signInLimits: identity.signInLimits, controlPlane, log }),
    instances: () => fleet.countByPhase(),
  };
}
