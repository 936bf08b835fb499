import { Gauge, Registry } from 'prom-client';
import { INSTANCE_PHASES, type Instance } from '../../shared/instance.ts';
import { type QueueStats, TASK_STATUSES } from '../../shared/task.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { Monitor } from '../supervisor/monitor.ts';

interface Series {
  name: string;
  help: string;
  value: (instance: Instance) => number | null | undefined;
}

const PER_INSTANCE: readonly Series[] = [
  {
    name: 'up',
    help: '1 while the instance runs and answers',
    value: ({ phase }) => (phase === 'running' ? 1 : 0),
  },
  { name: 'restarts_total', help: 'Exits that nobody asked for', value: ({ restarts }) => restarts },
  {
    name: 'start_time_seconds',
    help: 'When the process was started, Unix time',
    value: ({ started_at }) => (started_at === null ? null : Date.parse(started_at) / 1000),
  },
  { name: 'pss_bytes', help: 'Proportional set size', value: ({ usage }) => usage?.pss_bytes },
  {
    name: 'cpu_percent',
    help: 'Of one core, over the last sample',
    value: ({ usage }) => usage?.cpu_percent,
  },
  { name: 'disk_bytes', help: 'Size of the data directory', value: ({ usage }) => usage?.disk_bytes },
  {
    name: 'open_connections',
    help: 'Established TCP connections',
    value: ({ usage }) => usage?.open_connections,
  },
  {
    name: 'probe_latency_seconds',
    help: 'Duration of the last liveness probe',
    value: ({ probe }) => (probe ? probe.latency_ms / 1000 : null),
  },
];

/** The metrics of this moment in Prometheus' text format, read from the fleet when they are asked for. */
export async function renderMetrics(options: {
  fleet: Fleet;
  monitor: Monitor;
  /** Null when the control plane does not answer. */
  queue: QueueStats | null;
  perInstance: boolean;
}): Promise<{ contentType: string; text: string }> {
  const registry = new Registry();
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name: `fathom_${name}`, help, labelNames, registers: [registry] });

  const phases = gauge('instances', 'Instances by phase', ['phase']);
  const counts = options.fleet.countByPhase();
  for (const phase of INSTANCE_PHASES) phases.set({ phase }, counts[phase]);

  const { usage } = options.monitor;
  if (usage) {
    gauge('daemon_resident_memory_bytes', 'Resident memory of the daemon', []).set(usage.rss_bytes);
    gauge('daemon_event_loop_delay_seconds', 'Mean delay of the event loop', []).set(
      usage.event_loop_delay_ms / 1000,
    );
    if (usage.cpu_percent !== null) {
      gauge('daemon_cpu_percent', 'Of one core, over the last sample', []).set(usage.cpu_percent);
    }
    if (usage.disk_free_bytes !== null) {
      gauge('disk_free_bytes', 'Free space under the data directory', []).set(usage.disk_free_bytes);
    }
  }

  if (options.queue) {
    const tasks = gauge('queue_tasks', 'Tasks by status', ['status']);
    for (const status of TASK_STATUSES) tasks.set({ status }, options.queue.counts[status]);
    gauge('queue_paused', '1 while no task is begun', []).set(options.queue.paused ? 1 : 0);
    gauge('queue_max_running', 'Tasks that may run at a time', []).set(options.queue.max_running);
  }

  if (options.perInstance) {
    const instances = options.fleet.list();
    for (const { name, help, value } of PER_INSTANCE) {
      const series = gauge(`instance_${name}`, help, ['instance', 'kind']);
      for (const instance of instances) {
        const reading = value(instance);
        if (reading !== null && reading !== undefined) {
          series.set({ instance: instance.name, kind: instance.kind }, reading);
        }
      }
    }
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
