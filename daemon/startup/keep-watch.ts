import { keepReconciled } from '../databases/keep-reconciled.ts';
import { watchPages } from '../supervisor/health/page-watch.ts';
import { keepLogs } from '../supervisor/log-keeper.ts';
import type { DaemonServices } from './create-services.ts';
import type { Host } from './prepare-host.ts';

/** Begins what goes on for as long as the daemon runs: usage, damaged pages, old logs, accounts and rows that change. */
export function keepWatch({
  host,
  services,
  resources,
  retentionMs,
  pageCheckMs,
}: {
  host: Host;
  services: DaemonServices;
  resources: AsyncDisposableStack;
  /** For how long logs are kept. */
  retentionMs: number;
  /** How often each database is read through. */
  pageCheckMs: number;
}): void {
  const { fleet, monitor, damage, provisioner, ownerSync, reconciler, bus, clock, log } = services;
  monitor.start();
  resources.defer(() => monitor.stop());
  resources.defer(watchPages({ fleet, damage, everyMs: pageCheckMs, clock, log }));
  resources.defer(() => provisioner.idle());
  resources.defer(
    keepLogs({ fleet, own: host.ownLog, directory: host.instanceLogsDir, retentionMs, clock, log }),
  );
  ownerSync.start();
  resources.defer(() => ownerSync.stop());
  resources.defer(keepReconciled({ reconciler, bus, clock, log }));
}
