import type { DaemonUsage } from '../../shared/api/daemon.ts';
import type { Instance, Usage } from '../../shared/api/instances.ts';
import type { QueueStats } from '../../shared/api/queue.ts';
import { BACKUP_FAILURES, type BackupFailureReason } from '../../shared/backup-failure.ts';
import { INSTANCE_PHASES, isAvailable, isInTrouble } from '../../shared/instance.ts';
import { TASK_STATUSES } from '../../shared/task.ts';
import type { Histogram, Tally } from '../base/tally.ts';
import type { Activity } from './activity.ts';
import { type MetricName, specOf } from './metrics-table.ts';
import type { Wakes } from './wakes.ts';

/** The values of one scrape. */
export interface Reading {
  version: string;
  pocketbaseVersion: string;
  isReady: boolean;
  /** Instances whose PocketBase has a known vulnerability. */
  vulnerableInstances: number;
  /** The states of all instances. */
  fleet: readonly FleetState[];
  /** Those with series of their own. */
  instances: readonly Instance[];
  /** Null when the control plane does not answer. */
  queue: QueueStats | null;
  /** Null before the first sample. */
  usage: DaemonUsage | null;
  droppedLogLines: number;
  process: ProcessReading;
  activity: Activity;
  wakes: Wakes;
  backups: BackupReading;
  alertDeliveries: Tally;
  erasuresPending: number;
  archivedDatabases: number;
}

export interface BackupReading {
  /** Null without data. */
  ageSeconds: number | null;
  late: number;
  failures: readonly { reason: BackupFailureReason; databases: number }[];
  /** `ok` and `ageSeconds` are null before the first drill. */
  drills: { ok: boolean | null; ageSeconds: number | null; unproven: number };
  /** Null without REPLICA. */
  replica: { isUp: boolean; lagSeconds: number | null } | null;
  /** Since the start of the daemon. */
  counts: Readonly<{ made: number; unchanged: number; failed: number; storedBytes: number }>;
}

export type FleetState = Pick<Instance, 'phase' | 'desired' | 'reason' | 'pocketbase_version'>;

/** Values of the daemon's own process. */
export interface ProcessReading {
  cpuSeconds: number;
  residentBytes: number;
  heapUsedBytes: number;
  /** Unix time. */
  startedAtSeconds: number;
  openFiles: number;
  /** Infinity without a limit. */
  maxFiles: number;
}

export interface Sample {
  labels: Readonly<Record<string, string | number>>;
  value: number;
  /** Suffix of a series of a histogram: `_bucket`, `_sum`, `_count`. */
  suffix?: string;
}

type Read = (reading: Reading) => { labels: readonly string[]; value: number | Histogram }[];

const SOURCES: Readonly<Record<MetricName, Read>> = {
  fathom_build_info: ({ version, pocketbaseVersion }) => one(1, version, pocketbaseVersion),
  fathom_ready: ({ isReady }) => one(Number(isReady)),
  fathom_instances: ({ fleet }) =>
    INSTANCE_PHASES.map((phase) => ({
      labels: [phase],
      value: count(fleet, (is) => is.phase === phase),
    })),
  fathom_instances_by_version: ({ fleet }) =>
    [...Map.groupBy(fleet, (is) => is.pocketbase_version)].map(([version, { length }]) => ({
      labels: [version],
      value: length,
    })),
  fathom_instances_desired: ({ fleet }) =>
    ['running', 'stopped'].map((desired) => ({
      labels: [desired],
      value: count(fleet, (is) => is.desired === desired),
    })),
  fathom_instances_in_trouble: ({ fleet }) => one(count(fleet, isInTrouble)),
  fathom_pocketbase_vulnerable_instances: ({ vulnerableInstances }) => one(vulnerableInstances),
  fathom_backup_age_seconds: ({ backups }) => one(backups.ageSeconds),
  fathom_backup_late_databases: ({ backups }) => one(backups.late),
  fathom_backup_failed_databases: ({ backups }) =>
    BACKUP_FAILURES.map((reason) => ({
      labels: [reason],
      value: backups.failures.find((failure) => failure.reason === reason)?.databases ?? 0,
    })),
  fathom_backups_total: ({ backups: { counts } }) =>
    (['made', 'unchanged', 'failed'] as const).map((result) => ({ labels: [result], value: counts[result] })),
  fathom_backup_stored_bytes_total: ({ backups }) => one(backups.counts.storedBytes),
  fathom_backup_last_drill_ok: ({ backups: { drills } }) =>
    one(drills.ok === null ? null : Number(drills.ok)),
  fathom_backup_last_drill_age_seconds: ({ backups }) => one(backups.drills.ageSeconds),
  fathom_backup_unproven_databases: ({ backups }) => one(backups.drills.unproven),
  fathom_replica_up: ({ backups: { replica } }) => one(replica && Number(replica.isUp)),
  fathom_replica_lag_seconds: ({ backups: { replica } }) => one(replica?.lagSeconds ?? null),
  fathom_erasures_pending: ({ erasuresPending }) => one(erasuresPending),
  fathom_alert_deliveries_total: ({ alertDeliveries }) => alertDeliveries.entries(),
  fathom_databases_archived: ({ archivedDatabases }) => one(archivedDatabases),
  fathom_restarts_total: ({ activity }) => activity.restarts.entries(),
  fathom_instance_start_duration_seconds: ({ activity }) => activity.starts.entries(),
  fathom_wakes_total: ({ wakes }) => wakes.counts.entries(),
  fathom_wake_seconds: ({ wakes }) => wakes.durations.entries(),
  fathom_provision_duration_seconds: ({ activity }) => activity.provisions.entries(),
  fathom_http_requests_total: ({ activity }) => activity.httpRequests.entries(),
  fathom_http_request_duration_seconds: ({ activity }) => activity.httpDurations.entries(),
  fathom_queue_tasks: ({ queue }) =>
    queue === null ? [] : TASK_STATUSES.map((status) => ({ labels: [status], value: queue.counts[status] })),
  fathom_queue_paused: ({ queue }) => one(queue && Number(queue.paused)),
  fathom_queue_max_running: ({ queue }) => one(queue && queue.max_running),
  fathom_queue_attempts_total: ({ activity }) => activity.attempts.entries(),
  fathom_queue_attempt_duration_seconds: ({ activity }) => activity.attemptDurations.entries(),
  process_cpu_seconds_total: ({ process }) => one(process.cpuSeconds),
  process_resident_memory_bytes: ({ process }) => one(process.residentBytes),
  process_start_time_seconds: ({ process }) => one(process.startedAtSeconds),
  process_open_fds: ({ process }) => one(process.openFiles),
  process_max_fds: ({ process }) => one(process.maxFiles),
  nodejs_heap_size_used_bytes: ({ process }) => one(process.heapUsedBytes),
  fathom_daemon_event_loop_delay_seconds: ({ usage }) => one(usage && usage.event_loop_delay_ms / 1000),
  fathom_log_dropped_lines_total: ({ droppedLogLines }) => one(droppedLogLines),
  fathom_disk_free_bytes: ({ usage }) => one(usage && usage.disk_free_bytes),
  fathom_disk_reserve_bytes: ({ usage }) => one(usage && usage.disk_reserve_bytes),
  fathom_writes_held: ({ usage }) => one(usage && Number(usage.writes_held)),
  fathom_instance_up: each((instance) => {
    if (instance.phase === 'running') return 1;
    return isAvailable(instance) ? null : 0;
  }),
  fathom_instance_desired: each(({ desired }) => Number(desired === 'running')),
  fathom_instance_trouble: ({ instances }) =>
    instances
      .filter(isInTrouble)
      .map(({ name, kind, phase, reason }) => ({ labels: [name, kind, reason?.code ?? phase], value: 1 })),
  fathom_instance_restarts_total: each(({ restarts }) => restarts),
  fathom_instance_crashes: each(({ crashes }) => crashes?.count),
  fathom_instance_start_time_seconds: each(({ started_at }) =>
    started_at === null ? null : Date.parse(started_at) / 1000,
  ),
  fathom_instance_pss_bytes: each((instance) => ofProcess(instance)?.pss_bytes),
  fathom_instance_cpu_usage_ratio: each((instance) => {
    const percent = ofProcess(instance)?.cpu_percent;
    return typeof percent === 'number' ? percent / 100 : null;
  }),
  fathom_instance_disk_bytes: each(({ usage }) => usage?.disk_bytes),
  fathom_instance_memory_limit_bytes: each(({ limits }) => limits.memory_bytes),
  fathom_instance_disk_limit_bytes: each(({ limits }) => limits.disk_bytes),
  fathom_instance_open_connections: each((instance) => ofProcess(instance)?.open_connections),
  fathom_instance_probe_duration_seconds: each(({ pid, probe }) =>
    probe && pid !== null ? probe.latency_ms / 1000 : null,
  ),
};

/** Returns the series of one metric. */
export function samplesOf(name: MetricName, reading: Reading): Sample[] {
  const { labels: names } = specOf(name);
  return SOURCES[name](reading).flatMap(({ labels: values, value }) => {
    const labels = Object.fromEntries(names.map((label, index) => [label, values[index] ?? '']));
    return typeof value === 'number' ? [{ labels, value }] : histogramSamples(labels, value);
  });
}

function histogramSamples(labels: Record<string, string>, { buckets, sum, count: all }: Histogram): Sample[] {
  return [
    ...buckets.map(({ bound, count: upTo }) => ({
      labels: { ...labels, le: bound },
      value: upTo,
      suffix: '_bucket',
    })),
    { labels: { ...labels, le: '+Inf' }, value: all, suffix: '_bucket' },
    { labels, value: sum, suffix: '_sum' },
    { labels, value: all, suffix: '_count' },
  ];
}

function one(value: number | null, ...labels: string[]): { labels: string[]; value: number }[] {
  return value === null ? [] : [{ labels, value }];
}

function each(value: (instance: Instance) => number | null | undefined): Read {
  return ({ instances }) =>
    instances.flatMap((instance) => {
      const reading = value(instance);
      return typeof reading === 'number' ? [{ labels: [instance.name, instance.kind], value: reading }] : [];
    });
}

/** Null without a process: the last reading is that of a process that has ended. */
function ofProcess({ pid, usage }: Instance): Usage | null {
  return pid === null ? null : usage;
}

function count(fleet: readonly FleetState[], is: (state: FleetState) => boolean): number {
  return fleet.filter(is).length;
}
