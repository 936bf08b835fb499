import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { connectHost } from '../../shared/host.ts';
import type { Plans } from '../accounts/plans/plans.ts';
import { SignInGate } from '../accounts/sign-in/sign-in-gate.ts';
import type { UserRepository } from '../accounts/user-repository.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import { expandPublicUrl } from '../config/public-url.ts';
import type { EventBus } from '../events/bus.ts';
import type { MasterKeys } from '../keys/envelope.ts';
import type { Seal } from '../keys/master-keys.ts';
import type { Binaries } from '../pocketbase/binary/binaries.ts';
import { installedVersions } from '../pocketbase/binary/installed-versions.ts';
import { guardSettings } from '../pocketbase/data/guard-settings.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { SleepWatch } from '../supervisor/sleep/sleep-watch.ts';
import type { PortAllocator } from '../supervisor/start/ports.ts';
import { pruneAssembled } from './applications/assembled.ts';
import { servedHashes } from './applications/served-record.ts';
import type { PackageFiles } from './applications/sources.ts';
import { Catalog } from './catalog.ts';
import type { DatabaseRepository } from './database-repository.ts';
import { DatabaseMoves, type DatabaseMovesDeps, type Handovers } from './elsewhere/database-moves.ts';
import type { FleetShare } from './elsewhere/fleet-share.ts';
import { type Drain, NodeDrain } from './elsewhere/node-drain.ts';
import { type RebalanceDeps, RebalanceLoop } from './elsewhere/rebalance-loop.ts';
import { DatabaseLifecycle } from './lifecycle.ts';
import { OwnerSync } from './owner/owner-sync.ts';
import { Provisioner, type ProvisionerDeps, type ProvisionStep } from './provisioning/provisioner.ts';
import { Templates } from './provisioning/templates.ts';
import { Reconciler } from './reconcile.ts';
import type { TrashRepository } from './trash/trash-repository.ts';

export interface DatabaseServices {
  catalog: Catalog;
  provisioner: Provisioner;
  lifecycle: DatabaseLifecycle;
  reconciler: Reconciler;
  ownerSync: OwnerSync;
  signInGate: SignInGate;
  /** Tests the migrations of user databases if they have changed. Invalid ones are not used. Never rejects. */
  tryMigrations(): Promise<void>;
  /** Removes templates that no database needs. Call it when the databases are known, and before one starts. Never rejects. */
  pruneTemplates(): Promise<void>;
  templates: Templates;
  moves: DatabaseMoves;
  /** Null for a single server. */
  nodeDrain: NodeDrain | null;
  rebalance: RebalanceLoop | null;
}

/** Creates the services of user databases. */
export function createDatabaseServices(deps: {
  config: Config;
  settings: LiveSettings;
  isDiskHeld: () => boolean;
  sleep: Pick<SleepWatch, 'isSupported' | 'maySleep' | 'startsAsleep'>;
  repository: DatabaseRepository;
  trash: Pick<TrashRepository, 'noteErased'>;
  users: UserRepository;
  plans: Plans;
  fleet: Fleet;
  ports: PortAllocator;
  driver: ProcessDriver;
  binaries: Binaries;
  masterKeys: MasterKeys;
  seal: Seal;
  packageFiles: PackageFiles;
  /** Null for a single server. */
  cluster: { share: FleetShare; handovers: Handovers; drains: Drain & RebalanceDeps['nodes'] } | null;
  replicas: DatabaseMovesDeps['replicas'];
  isRestoring: DatabaseMovesDeps['isRestoring'];
  storeFiles: DatabaseMovesDeps['storeFiles'];
  instanceLogsDir: string;
  onProvisionStep: ((step: ProvisionStep, name: string) => void) | undefined;
  onProvisioned: ProvisionerDeps['onProvisioned'];
  bus: EventBus;
  clock: Clock;
  log: Logger;
  random: () => number;
}): DatabaseServices {
  const {
    config,
    repository,
    users,
    plans,
    fleet,
    ports,
    driver,
    binaries,
    masterKeys,
    bus,
    clock,
    log,
    random,
  } = deps;
  const guard = guardSettings({
    limits: config.limits,
    trustedProxies: config.trustedProxies,
    // Only guests are limited; the owner's programs are not.
    general: '@guest',
    exempt: [],
  });
  const assembledDir = join(config.dataDir, 'assembled');
  const templates = new Templates({
    directory: join(config.dataDir, 'templates'),
    assembledDir,
    own: deps.packageFiles,
    applications: config.applications,
    guard,
    binary: binaries.fleet,
    driver,
    clock,
    log,
  });
  const catalog = new Catalog({
    fleet,
    ports,
    driver,
    templates,
    repository,
    masterKeys,
    config,
    plans,
    guard,
    binaries,
    clock,
    log,
    accounts: {
      beforeStart: (name) => ownerSync.beforeStart(name),
      changed: (userId) => ownerSync.changed(userId),
    },
    settings: {
      userDatabasesDir: config.userDatabasesDir,
      assembledDir,
      appDir: config.applications.appDir,
      instanceLogsDir: deps.instanceLogsDir,
      logLimits: config.log,
      bindAddress: config.bindAddress,
      publicUrl: (name, port) =>
        expandPublicUrl(config.publicUrl, { name, port, host: connectHost(config.bindAddress) }),
    },
    urlElsewhere: (name, port, host) => expandPublicUrl(config.publicUrl, { name, port, host }),
  });
  plans.onChange((hasChanged) => catalog.plansChanged(hasChanged));
  catalog.elsewhere.onChange((event) => bus.publish(event));
  deps.cluster?.share.onRoutes((names) => catalog.elsewhere.noteRoutes(names));
  const ownerSync: OwnerSync = new OwnerSync({ repository, catalog, fleet, bus, clock, log, random });
  const onProvisionStep =
    deps.onProvisionStep ?? ((step, name) => log.debug({ instance: name, step }, 'provisioning'));
  const provisioner = new Provisioner({
    catalog,
    fleet,
    ports,
    repository,
    templates,
    masterKeys,
    seal: deps.seal,
    share: deps.cluster?.share ?? null,
    pbEncryptionKey: config.pbEncryptionKey,
    guard,
    settings: deps.settings,
    sleep: deps.sleep,
    isDiskHeld: deps.isDiskHeld,
    clock,
    log,
    onProvisioned: deps.onProvisioned,
    onCloned: (userId, accountAtMs, keys) => ownerSync.noteCloned(userId, accountAtMs, keys),
    onReserving: (userId) => ownerSync.noteCreating(userId),
    onStep: (step, name) => {
      onProvisionStep(step, name);
      // The account may have changed while its database was created.
      const user = step === 'ready' ? catalog.find(name)?.row.user : undefined;
      if (user !== undefined) ownerSync.noteCreated(user);
    },
  });
  const moves = new DatabaseMoves({
    catalog,
    handovers: deps.cluster?.handovers ?? null,
    replicas: deps.replicas,
    isRestoring: deps.isRestoring,
    storeFiles: deps.storeFiles,
    log,
  });
  const drain = deps.cluster?.drains;
  const movesPerHour = config.cluster?.movesPerHour ?? 0;
  return {
    catalog,
    provisioner,
    lifecycle: new DatabaseLifecycle({
      catalog,
      fleet,
      trash: deps.trash,
      provisioner,
      binaries,
      templates,
      clock,
      log,
    }),
    reconciler: new Reconciler({
      catalog,
      fleet,
      ports,
      repository,
      users,
      plans,
      provisioner,
      share: deps.cluster?.share ?? null,
      onGained: (userId) => ownerSync.changed(userId),
      settings: deps.settings,
      sleep: deps.sleep,
      binaries,
      applications: templates.choice,
      hasPreviousKey: config.previousPbEncryptionKey !== null,
      log,
    }),
    ownerSync,
    signInGate: new SignInGate(),
    templates,
    moves,
    nodeDrain: drain ? new NodeDrain({ drain, catalog, moves, clock, log }) : null,
    rebalance: drain ? new RebalanceLoop({ movesPerHour, nodes: drain, catalog, moves, clock, log }) : null,
    tryMigrations: () => templates.refresh(),
    async pruneTemplates() {
      try {
        const installed = [...(await installedVersions(config.dataDir)).keys()];
        const choices = new Set(catalog.entries().map(({ instance }) => instance.choice));
        const used = await templates.prune(installed, choices);
        await pruneAssembled(assembledDir, new Set(used), () => servedHashes(config.userDatabasesDir));
      } catch (error) {
        log.warn(`cannot remove templates of earlier migrations: ${messageOf(error)}`);
      }
    },
  };
}
