import { repeat } from '../base/time/repeat.ts';
import { keepReconciled } from '../databases/keep-reconciled.ts';
import { watchUploads } from '../supervisor/disk/upload-watch.ts';
import { GLOBAL_NAME } from '../supervisor/global-instance.ts';
import { watchPages } from '../supervisor/health/page-watch.ts';
import { maintainLogs } from '../supervisor/log-maintenance.ts';
import { watchSignIns } from '../supervisor/sign-ins/sign-in-watch.ts';
import type { DaemonServices } from './create-services.ts';
import type { Host } from './prepare-host.ts';

/** How often a member reads the accounts, in milliseconds. */
const ACCOUNTS_EVERY_MS = 5_000;

/** Starts the periodic checks: usage, damaged pages, old logs and audit entries, changed accounts and changed rows, and databases that move to other nodes. */
export function startPeriodicChecks({
  host,
  services,
  resources,
  userDatabasesDir,
  retentionMs,
  pageCheckMs,
  inactiveLookMs,
}: {
  host: Host;
  services: DaemonServices;
  resources: AsyncDisposableStack;
  userDatabasesDir: string;
  /** How long logs are kept, in milliseconds. */
  retentionMs: number;
  /** How often each database file is checked, in milliseconds. */
  pageCheckMs: number;
  /** How often databases that are not used are looked for, in milliseconds. */
  inactiveLookMs: number;
}): void {
  const {
    alerts,
    fleet,
    auditArchive,
    backups,
    erasures,
    catalog,
    cluster,
    replication,
    fileReplicas,
    trash,
    drills,
    monitor,
    diskReserve,
    diskWatch,
    sleepWatch,
    uploadReasons,
    damage,
    nodeDrain,
    rebalance,
    provisioner,
    ownerSync,
    reconciler,
    settings,
    usageHistory,
    inactive,
    bus,
    clock,
    log,
  } = services;
  monitor.start();
  resources.defer(() => monitor.stop());
  usageHistory.start();
  resources.defer(() => usageHistory.stop());
  diskReserve.start();
  resources.defer(() => diskReserve.stop());
  sleepWatch.start();
  resources.defer(() => sleepWatch.stop());
  diskWatch.start();
  resources.defer(() => diskWatch.stop());
  resources.defer(watchPages({ fleet, damage, everyMs: pageCheckMs, clock, log }));
  resources.defer(
    watchUploads({
      fleet,
      directory: userDatabasesDir,
      reserve: diskReserve,
      reasons: uploadReasons,
      clock,
      log,
    }),
  );
  resources.defer(watchSignIns({ fleet, limits: () => settings.limits, clock, log }));
  resources.defer(() => provisioner.idle());
  resources.defer(
    maintainLogs({ fleet, own: host.ownLog, directory: host.instanceLogsDir, retentionMs, clock, log }),
  );
  const isLeader = (cluster?.share.leader ?? null) === null;
  backups.start();
  resources.defer(() => backups.stop());
  const replicated = function* () {
    const runners = [...catalog.entries()].map(({ runner }) => runner);
    // Who takes over the databases needs their accounts.
    if (cluster?.allowsTakeover === true && isLeader) runners.push(fleet.get(GLOBAL_NAME));
    for (const runner of runners)
      yield { name: runner.spec.name, directory: runner.spec.directory, phase: () => runner.state.phase };
  };
  replication.start(replicated);
  fileReplicas.start(replicated);
  if (isLeader) {
    erasures.start();
    resources.defer(() => erasures.stop());
    trash.start();
    resources.defer(() => trash.stop());
    inactive.start(inactiveLookMs);
    resources.defer(() => inactive.stop());
    drills.start();
    resources.defer(() => drills.stop());
    auditArchive.start();
    resources.defer(() => auditArchive.stop());
  }
  ownerSync.start();
  resources.defer(() => ownerSync.stop());
  // The hooks of the control plane report changes to its own node.
  if (!isLeader) resources.defer(repeat(clock, ACCOUNTS_EVERY_MS, async () => ownerSync.syncAll()));
  resources.defer(keepReconciled({ reconciler, share: cluster?.share ?? null, bus, clock, log }));
  nodeDrain?.start();
  resources.defer(async () => nodeDrain?.stop());
  rebalance?.start();
  resources.defer(async () => rebalance?.stop());
  // First of all, so that a stop causes no alert.
  resources.defer(() => alerts.stop());
}
