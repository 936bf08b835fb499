import type { DaemonStatus } from '../../shared/api/daemon.ts';
import { getFleetHealth, getHealth, getMetrics, getReadiness, getStatus } from '../../shared/api/daemon.ts';
import { getAdvisories } from '../../shared/api/pocketbase.ts';
import type { DeletedDatabase } from '../../shared/api/trash.ts';
import { isErasing } from '../../shared/erasures.ts';
import { isAvailable } from '../../shared/instance.ts';
import { PERMISSION_NAMES } from '../accounts/permissions.ts';
import type { Alerts } from '../alerts/alerts.ts';
import type { Backups } from '../backups/service/backups.ts';
import type { BackupOverview } from '../backups/service/overview.ts';
import type { Losses } from '../base/log/log-sink.ts';
import type { Catalog } from '../databases/catalog.ts';
import { seesAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Activity } from '../metrics/activity.ts';
import { hasOwnSeries, type MetricsDatabases } from '../metrics/own-series.ts';
import { readProcess } from '../metrics/process-reading.ts';
import type { Wakes } from '../metrics/wakes.ts';
import { advisoryReport, exposureOf } from '../pocketbase/advisories/assess-releases.ts';
import type { QueueStatsDeps } from '../queue/queue-stats.ts';
import { missingInstance, readQueueStats } from '../queue/queue-stats.ts';
import type { Monitor } from '../supervisor/health/monitor.ts';
import type { InstanceState } from '../supervisor/instance-state.ts';

export interface StatusRoutesDeps extends QueueStatsDeps {
  status: () => Promise<Omit<DaemonStatus, 'permissions'>>;
  monitor: Monitor;
  activity: Activity;
  wakes: Wakes;
  backups: Backups;
  backupOverview: BackupOverview;
  alerts: Alerts;
  listDeleted: () => DeletedDatabase[];
  catalog: Catalog;
  logLosses: () => Losses;
  version: string;
  pocketbaseVersion: string;
  /** Databases with series of their own. */
  metricsDatabases: MetricsDatabases;
  waitingFor: () => string | null;
}

/** Registers the health checks and metrics, which need no session, and the status of the daemon. */
export function statusRoutes(app: Api, deps: StatusRoutesDeps): void {
  const { fleet, waitingFor, clock, monitor } = deps;
  const readBackups = () => {
    const { oldest_at, late, failures, drills, replica } = deps.backupOverview.status();
    const now = clock.now();
    return {
      ageSeconds: secondsSince(oldest_at, now),
      late,
      failures,
      drills: {
        ok: drills.last_at === null ? null : drills.failed_databases === 0,
        ageSeconds: secondsSince(drills.last_at, now),
        unproven: drills.unproven_databases,
      },
      counts: deps.backups.counts,
      replica: replica && { isUp: replica.pid !== null, lagSeconds: replica.lag_seconds },
    };
  };
  /** Returns null when the daemon is ready. */
  const findMissing = () => waitingFor() ?? missingInstance(deps);

  serve(app, getStatus, async ({ caller }) => {
    const { wakes, ...status } = await deps.status();
    return {
      ...status,
      wakes: { ...wakes, slowest: seesAll(caller, 'databases.read') ? wakes.slowest : [] },
      permissions: PERMISSION_NAMES.filter((permission) => seesAll(caller, permission)),
    };
  });

  serve(app, getAdvisories, () => advisoryReport(fleet.versions()));

  serve(app, getHealth, () => ({
    status: 'ok' as const,
  }));

  serve(app, getReadiness, async (_request, reply) => {
    const waiting = findMissing();
    return reply
      .code(waiting === null ? 200 : 503)
      .send({ status: waiting === null ? 'ok' : 'waiting', waiting_for: waiting });
  });

  serve(app, getFleetHealth, () => {
    // Public, so no views are built.
    const instances = fleet.runners(({ spec }) => spec.kind === 'user');
    const countWith = (is: (state: InstanceState) => boolean) =>
      instances.filter(({ state }) => is(state)).length;
    const missing = countWith((state) => state.observed.desired === 'running' && !isAvailable(state));
    return {
      status: missing === 0 ? ('ok' as const) : ('degraded' as const),
      total_instances: instances.length,
      running_instances: countWith(({ phase }) => phase === 'running'),
      asleep_instances: countWith(({ phase }) => phase === 'asleep'),
      timestamp: clock.now().toISOString(),
    };
  });

  // Names of databases may identify people, so series of single databases need a permission on all of them.
  serve(app, getMetrics, async (request, reply) => {
    // Loaded on the first request: with its dependencies it is a tenth of the code that a daemon loads at its start.
    const { renderMetrics } = await import('../metrics/render.ts');
    const perDatabase = (['metrics.read', 'databases.read'] as const).some((permission) =>
      seesAll(request.caller, permission),
    );
    const { contentType, text } = await renderMetrics(
      {
        version: deps.version,
        pocketbaseVersion: deps.pocketbaseVersion,
        isReady: findMissing() === null,
        vulnerableInstances: exposureOf(fleet.versions()).vulnerable_instances,
        fleet: fleet.runners().map(({ state: { phase, reason, observed, version } }) => ({
          phase,
          reason,
          desired: observed.desired,
          pocketbase_version: version,
        })),
        instances: perDatabase
          ? fleet.list(({ spec: { kind }, state: { phase, observed } }) =>
              hasOwnSeries({ kind, phase, ...observed }, deps.metricsDatabases),
            )
          : [],
        queue: await readQueueStats(deps),
        usage: monitor.usage,
        droppedLogLines: deps.logLosses().dropped,
        process: await readProcess(),
        activity: deps.activity,
        wakes: deps.wakes,
        backups: readBackups(),
        alertDeliveries: deps.alerts.deliveries,
        erasuresPending: deps.listDeleted().filter(isErasing).length,
        archivedDatabases: deps.catalog.archived.all().length,
      },
      { perDatabase },
    );
    return reply.type(contentType).send(text);
  });
}

function secondsSince(at: string | null, now: Date): number | null {
  return at === null ? null : Math.max(0, now.getTime() - Date.parse(at)) / 1000;
}
