import { getFleetHealth, getHealth, getMetrics, getReadiness } from '../../shared/api/daemon.ts';
import type { Losses } from '../base/log/log-sink.ts';
import { seesAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Activity } from '../metrics/activity.ts';
import { readProcess } from '../metrics/process-reading.ts';
import type { QueueStatsDeps } from '../queue/queue-stats.ts';
import { missingInstance, readQueueStats } from '../queue/queue-stats.ts';
import type { Monitor } from '../supervisor/health/monitor.ts';

export interface HealthRoutesDeps extends QueueStatsDeps {
  monitor: Monitor;
  activity: Activity;
  logLosses: () => Losses;
  version: string;
  pocketbaseVersion: string;
  waitingFor: () => string | null;
}

/** For whoever watches the daemon from outside; none of these needs a session. */
export function healthRoutes(app: Api, deps: HealthRoutesDeps): void {
  const { fleet, waitingFor, clock, monitor } = deps;
  /** Null when it is ready. */
  const whatIsMissing = () => waitingFor() ?? missingInstance(fleet);

  serve(app, getHealth, () => ({
    status: 'ok' as const,
  }));

  serve(app, getReadiness, async (_request, reply) => {
    const waiting = whatIsMissing();
    return reply
      .code(waiting === null ? 200 : 503)
      .send({ status: waiting === null ? 'ok' : 'waiting', waiting_for: waiting });
  });

  serve(app, getFleetHealth, () => {
    const instances = fleet.list().filter(({ kind }) => kind === 'user');
    const running = instances.filter(({ phase }) => phase === 'running').length;
    const wanted = instances.filter(({ desired }) => desired === 'running').length;
    return {
      status: running >= wanted ? ('ok' as const) : ('degraded' as const),
      total_instances: instances.length,
      running_instances: running,
      timestamp: clock.now().toISOString(),
    };
  });

  // Names of databases hold names of people, so only those who see everything get the series of each instance.
  serve(app, getMetrics, async (request, reply) => {
    // Loaded when somebody asks: with what it stands on it is a tenth of all that a daemon reads at its start.
    const { renderMetrics } = await import('../metrics/render.ts');
    const { contentType, text } = await renderMetrics(
      {
        version: deps.version,
        pocketbaseVersion: deps.pocketbaseVersion,
        isReady: whatIsMissing() === null,
        instances: fleet.list(),
        queue: await readQueueStats(deps),
        usage: monitor.usage,
        droppedLogLines: deps.logLosses().dropped,
        process: await readProcess(),
        activity: deps.activity,
      },
      // Who may list all databases sees their names there as well.
      {
        perDatabase: (['metrics.read', 'databases.read'] as const).some((one) =>
          seesAll(request.caller, one),
        ),
      },
    );
    return reply.type(contentType).send(text);
  });
}
