import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { connectAddress } from '../../shared/host.ts';
import { InvitationRepository } from '../accounts/invitations/invitation-repository.ts';
import { Invitations } from '../accounts/invitations/invitations.ts';
import { AccountMails } from '../accounts/mail/account-mails.ts';
import { MailLimits } from '../accounts/mail/mail-limits.ts';
import { Mailer } from '../accounts/mail/mailer.ts';
import { Plans } from '../accounts/plans/plans.ts';
import { UserLimits } from '../accounts/plans/user-limits.ts';
import { Buckets } from '../accounts/sign-in/buckets.ts';
import type { SignUpLimits } from '../accounts/sign-up/sign-up-limits.ts';
import { SignUps } from '../accounts/sign-up/sign-ups.ts';
import { Counts } from '../base/counts.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Config } from '../config/config.ts';
import { liveSettingsOf } from '../config/live-settings.ts';
import { ControlPlaneClient } from '../control-plane/client.ts';
import { packageFiles } from '../databases/applications/sources.ts';
import { DatabaseRepository } from '../databases/database-repository.ts';
import { createDatabaseServices, type DatabaseServices } from '../databases/database-services.ts';
import { TrashRepository } from '../databases/trash/trash-repository.ts';
import { EventBus } from '../events/bus.ts';
import { Journal } from '../events/journal.ts';
import { createForwarding } from '../http/forwarding/forwarding.ts';
import { ProxiesSeen } from '../http/proxies-seen.ts';
import type { MasterKeys } from '../keys/envelope.ts';
import { hookTokenOf } from '../keys/hook-token.ts';
import { guardedSeal, masterKeysOf, type Seal } from '../keys/master-keys.ts';
import { Activity } from '../metrics/activity.ts';
import { Wakes } from '../metrics/wakes.ts';
import { hasUsableFiles } from '../pocketbase/data/data-state.ts';
import { cachedKeyUse } from '../pocketbase/data/key-use.ts';
import { probe } from '../pocketbase/process/probe.ts';
import type { ChildProcessDriver } from '../pocketbase/process/process-driver.ts';
import { privateBytes } from '../pocketbase/process/procfs.ts';
import { createDaemonQueue } from '../queue/worker/daemon-host.ts';
import { createReplicas, type Replicas } from '../replication/create-replicas.ts';
import { createRollouts } from '../rollouts/rollout-services.ts';
import type { DiskReasons } from '../supervisor/disk/disk-limit.ts';
import { DiskReserve } from '../supervisor/disk/disk-reserve.ts';
import { DiskWatch } from '../supervisor/disk/disk-watch.ts';
import { Fleet } from '../supervisor/fleet.ts';
import { GLOBAL_NAME } from '../supervisor/global-instance.ts';
import { MemoryGuard } from '../supervisor/health/memory-guard.ts';
import { Monitor } from '../supervisor/health/monitor.ts';
import { type DamageRecord, hostFiles } from '../supervisor/instance-files.ts';
import { LOOK_EVERY_MS, SleepWatch } from '../supervisor/sleep/sleep-watch.ts';
import { PortMoves } from '../supervisor/start/port-moves.ts';
import { PortAllocator, portIsFree } from '../supervisor/start/ports.ts';
import { STOP_GRACE_MS } from '../supervisor/start/terminate.ts';
import { createAlerts } from './alert-services.ts';
import { createBackupServices } from './backup-services.ts';
import { daemonStatus } from './daemon-status.ts';
import { createIdentityServices } from './identity-services.ts';
import { createInactiveServices, type InactiveServices } from './inactive-services.ts';
import { createDriver, type Host } from './prepare-host.ts';
import type { Services } from './routes.ts';
import type { ServiceOptions } from './service-options.ts';
import { createTrashServices, type TrashServices } from './trash-services.ts';

const HOUR_MS = 3_600_000;

type OwnServices = Services &
  TrashServices &
  InactiveServices &
  Pick<DatabaseServices, 'reconciler' | 'tryMigrations' | 'pruneTemplates' | 'nodeDrain' | 'rebalance'>;

/** All services of the daemon. */
export interface DaemonServices extends Omit<OwnServices, 'replication'>, Replicas {
  signUpLimits: SignUpLimits;
  driver: ChildProcessDriver;
  controlPlane: ControlPlaneClient;
  masterKeys: MasterKeys;
  seal: Seal;
  damage: DamageRecord;
  diskReserve: DiskReserve;
  diskWatch: DiskWatch;
  sleepWatch: SleepWatch;
  /** Of databases whose uploads are limited. */
  uploadReasons: DiskReasons;
  apiUrl: string;
  /** Pids of programs of Fathom that this daemon runs, and that may use the local socket. */
  ownPrograms: ReadonlySet<number>;
}

/** Creates all services; none has started. */
export async function createServices({
  config,
  options,
  host,
  cluster,
  clock,
  waitingFor,
  resources,
}: {
  config: Config;
  options: ServiceOptions;
  host: Host;
  cluster: Cluster | null;
  clock: Clock;
  /** What the daemon waits for; null when it is ready. */
  waitingFor: () => string | null;
  resources: AsyncDisposableStack;
}): Promise<DaemonServices> {
  const { binaries, log, instanceLogsDir } = host;
  const [settings, ownPrograms] = [liveSettingsOf(config), new Set<number>()];
  const bus = new EventBus((error) => log.error({ err: error }, 'a listener of the event bus failed'));
  const journal = new Journal(bus, clock);
  const [activity, wakes] = [new Activity(bus), new Wakes(bus, clock)];
  const driver = await createDriver(config, host, clock);
  resources.defer(() => driver.close());
  const ports = new PortAllocator({
    host: config.bindAddress,
    ...config.ports,
    sockets: {
      hold: async (address, port) => (await driver.hold(address, port)) ?? portIsFree(address, port),
      release: (port) => driver.release(port),
    },
  });
  const damage: DamageRecord = new Map();
  const [diskReasons, uploadReasons]: [DiskReasons, DiskReasons] = [new Map(), new Map()];
  // After the databases, whose last changes they send.
  const replicas = createReplicas(config, { cluster, clock, log, resources });
  const fleet = new Fleet({
    driver,
    ports,
    moves: new PortMoves(config, ports, log),
    probe,
    clock,
    bus,
    log,
    random: Math.random,
    settings,
    node: cluster?.share.self.node ?? null,
    healthIntervalMs: config.healthIntervalMs,
    memory: new MemoryGuard(clock, { ofProcess: privateBytes, available: freemem }),
    stopGraceMs: options.stopGraceMs ?? STOP_GRACE_MS,
    files: hostFiles({ clock, damage, diskReasons, uploadReasons, ...replicas, cluster }),
  });
  const diskReserve = new DiskReserve({ ...config, settingBytes: config.diskReserveBytes, clock, log });
  const isDiskHeld = () => diskReserve.state.isHeld;
  const diskWatch = new DiskWatch({ fleet, reserve: diskReserve, reasons: diskReasons, clock, log });
  const sleepWatch = new SleepWatch({
    fleet,
    settings,
    memory: { available: freemem, total: totalmem },
    isSupported: async () => (await driver.sockets()).held,
    sleepAfterMs: ({ spec }) => (spec.kind === 'user' ? (options.sleepAfterMs ?? spec.sleepAfterMs()) : null),
    hasUsableFiles,
    lookEveryMs: Math.min(LOOK_EVERY_MS, options.sleepAfterMs ?? LOOK_EVERY_MS),
    clock,
    log,
  });
  const monitor = new Monitor({
    fleet,
    reserve: diskReserve,
    bus,
    clock,
    log,
    directories: [config.dataDir, config.userDatabasesDir, host.logsDir],
  });

  const apiUrl = `http://${connectAddress(config.server.host, config.server.port)}`;
  const globalUrl = `http://${connectAddress(config.bindAddress, config.globalPort)}`;
  const [hookToken, masterKeys] = [hookTokenOf(config.jwt.secret), masterKeysOf(config)];
  const globalData = join(config.dataDir, GLOBAL_NAME, 'pb_data');
  const controlPlane = new ControlPlaneClient({
    url: globalUrl,
    admin: config.admin,
    hookToken,
    dataDir: globalData,
  });
  const seal = guardedSeal(masterKeys, cachedKeyUse(join(globalData, 'data.db')));
  const identity = createIdentityServices({
    config,
    options,
    controlPlane,
    masterKeys,
    seal,
    bus,
    clock,
    log,
  });
  const { users } = identity;
  resources.defer(() => identity.passwordStrength.close());
  const plans = new Plans({ controlPlane, settings, databaseLimits: config.databaseLimits, log });
  const invitationRepository = new InvitationRepository(controlPlane);
  const userLimits = new UserLimits({ plans, users, clock });
  const [mailer, mailLimits] = [new Mailer({ settings, log }), new MailLimits(clock)];
  const accountMails = new AccountMails({ controlPlane, users, mailer, limits: mailLimits, clock, log });
  const invitations = new Invitations({
    repository: invitationRepository,
    users,
    plans,
    mails: accountMails,
    settings,
    clock,
  });
  const databaseRepository = new DatabaseRepository(controlPlane);
  const trashRepository = new TrashRepository(controlPlane);
  const databases = createDatabaseServices({
    config,
    settings,
    isDiskHeld,
    sleep: sleepWatch,
    repository: databaseRepository,
    trash: trashRepository,
    users,
    plans,
    fleet,
    ports,
    driver,
    binaries,
    masterKeys,
    seal,
    packageFiles: packageFiles(options.userMigrationsDir),
    cluster,
    replicas: replicas.replication.paths,
    isRestoring: (name) => backupServices.restores.progressOf(name) !== null,
    storeFiles: (name, directory) => replicas.fileReplicas.storeAll(name, directory),
    instanceLogsDir,
    onProvisionStep: options.onProvisionStep,
    onProvisioned: (outcome, seconds) => activity.noteProvision(outcome, seconds),
    bus,
    clock,
    log,
    random: Math.random,
  });
  const { catalog } = databases;
  const { rollouts, rolloutPlanner } = createRollouts({
    dataDir: config.dataDir,
    backups: () => backupServices.backups,
    catalog,
    fleet,
    driver,
    binaries,
    templates: databases.templates,
    audit: identity.audit,
    onStep: options.onChangeStep,
    onChange: (rollout) => bus.publish({ kind: 'rollout.changed', rollout }),
    clock,
    log,
  });
  const signUps = new SignUps({
    limits: identity.signUpLimits,
    settings,
    countDatabases: () => catalog.size,
    isDiskHeld,
  });
  const queue = createDaemonQueue({
    config,
    controlPlane: { url: globalUrl, hookToken },
    catalog,
    fleet,
    provisioner: databases.provisioner,
    masterKeys,
    seal,
    // The demo sends a webhook to the API.
    extraTargets: options.demo ? [new URL(apiUrl).host] : [],
    leaseMs: options.leaseMs,
    onAttempt: (type, outcome, seconds) => activity.noteAttempt(type, outcome, seconds),
    bus,
    clock,
    log,
  });
  const backupServices = await createBackupServices({
    config,
    settings,
    globalData,
    hasControlPlane: () => (cluster?.share.leader ?? null) === null,
    secrets: { client: controlPlane, masterKeys, seal },
    userLimits,
    diskReserve,
    fleet,
    driver,
    binaries,
    databases,
    rollouts,
    ...replicas,
    onRestoreStep: options.onRestoreStep,
    clock,
    log,
  });
  const trashServices = createTrashServices({
    ...databases,
    ...backupServices,
    restores: backupServices.restores,
    ...replicas,
    audit: identity.audit,
    fleet,
    ports,
    repository: trashRepository,
    databases: databaseRepository,
    settings,
    share: cluster?.share ?? null,
    clock,
    log,
  });
  const inactiveServices = createInactiveServices({
    ...identity,
    ...databases,
    ...backupServices,
    mails: accountMails,
    dataDir: config.dataDir,
    settings,
    fleet,
    driver,
    bus,
    clock,
    log,
  });
  const proxiesSeen = new ProxiesSeen(config.trustedProxies);
  const status = daemonStatus({
    ...backupServices,
    ...trashServices,
    ...inactiveServices,
    version: options.version,
    startedAt: clock.now(),
    config,
    urls: { api: apiUrl, global: globalUrl },
    settings,
    host,
    fleet,
    catalog,
    driver,
    monitor,
    wakes,
    queue,
    accountMails,
    mailer,
    proxiesSeen,
    alerts: () => alerts,
    waitingFor,
    clock,
    log,
  });
  const alerts = createAlerts({ config, settings, status, fleet, clock, log, options });
  return {
    ...identity,
    databaseRepository,
    ...databases,
    ...backupServices,
    ...trashServices,
    ...inactiveServices,
    accountMails,
    activity,
    alerts,
    apiUrl,
    bus,
    changes: new Buckets({ capacity: config.limits.changesPerUser, windowMs: HOUR_MS, clock }),
    clock,
    cluster,
    controlPlane,
    currentRollout: () => rollouts.current,
    damage,
    diagnose: options.diagnose?.bind(null, ownPrograms) ?? null,
    diskReserve,
    diskWatch,
    uploadReasons,
    driver,
    edgeToken: config.edgeToken,
    fleet,
    forwarding: cluster && createForwarding({ share: cluster.share, catalog, jwt: config.jwt, clock }),
    hookToken,
    invitationRepository,
    invitations,
    journal,
    log,
    logLosses: host.logLosses,
    mailer,
    mailLimits,
    masterKeys,
    metricsDatabases: config.metricsDatabases,
    monitor,
    ownPrograms,
    plans,
    pocketbaseVersion: binaries.fleet.version,
    proxied: new Counts(),
    proxiesSeen,
    queue,
    recentLog: host.recentLog,
    ...replicas,
    rollouts,
    rolloutPlanner,
    seal,
    settings,
    signUps,
    sleepWatch,
    status,
    trustedProxies: config.trustedProxies,
    wakes,
    userLimits,
    users,
    version: options.version,
    waitingFor,
  };
}
