interface Metric {
  type: 'gauge' | 'counter' | 'histogram';
  help: string;
  labels: readonly string[];
  /** The largest number of series, as text for the documentation. */
  series: string;
  /** Contains names of databases, which may identify people: needs the permission `metrics.read`. */
  perDatabase?: true;
}

const OF_DATABASE = {
  labels: ['database', 'kind'],
  series: 'one per awake database',
  perDatabase: true,
} as const;

/** Declares every metric. */
export const METRICS = {
  fathom_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels have the versions',
    labels: ['version', 'pocketbase_version'],
    series: '1',
  },
  fathom_ready: {
    type: 'gauge',
    help: '1 when the global PocketBase and the queue worker are up, as /health/ready',
    labels: [],
    series: '1',
  },
  fathom_instances: {
    type: 'gauge',
    help: 'Instances by phase, the global one included',
    labels: ['phase'],
    series: 'one per phase, 10 at most',
  },
  fathom_instances_by_version: {
    type: 'gauge',
    help: 'Instances by the PocketBase of their process, or of their next start',
    labels: ['pocketbase_version'],
    series: 'one per version in use',
  },
  fathom_instances_desired: {
    type: 'gauge',
    help: 'Instances by the state that they should be in',
    labels: ['desired'],
    series: '2',
  },
  fathom_instances_in_trouble: {
    type: 'gauge',
    help: 'Instances that should run and are in trouble; stopped ones do not count',
    labels: [],
    series: '1',
  },
  fathom_pocketbase_vulnerable_instances: {
    type: 'gauge',
    help: 'Instances, asleep or not, whose PocketBase has a known vulnerability',
    labels: [],
    series: '1',
  },
  fathom_backup_age_seconds: {
    type: 'gauge',
    help: 'Age of the backup of the database, or control plane, that was backed up least recently; an unchanged one counts as backed up',
    labels: [],
    series: '1',
  },
  fathom_backup_late_databases: {
    type: 'gauge',
    help: 'Databases without a backup for two hours longer than BACKUP_SCHEDULE has between two runs',
    labels: [],
    series: '1',
  },
  fathom_backup_failed_databases: {
    type: 'gauge',
    help: 'Databases whose last attempt of a backup failed, by the reason',
    labels: ['reason'],
    series: 'one per reason, 8 at most',
  },
  fathom_backups_total: {
    type: 'counter',
    help: 'Attempts of backups by their result; unchanged ones need none',
    labels: ['result'],
    series: '3',
  },
  fathom_backup_stored_bytes_total: {
    type: 'counter',
    help: 'What backups added to the target',
    labels: [],
    series: '1',
  },
  fathom_backup_last_drill_ok: {
    type: 'gauge',
    help: '1 when the last drill of each database has proven its backup, else 0; missing before the first drill',
    labels: [],
    series: '1',
  },
  fathom_backup_last_drill_age_seconds: {
    type: 'gauge',
    help: 'Age of the last drill of any database; missing before the first drill',
    labels: [],
    series: '1',
  },
  fathom_backup_unproven_databases: {
    type: 'gauge',
    help: 'Databases without a backup that a drill has proven in the last five weeks',
    labels: [],
    series: '1',
  },
  fathom_replica_up: {
    type: 'gauge',
    help: '1 while Litestream runs, else 0; missing without REPLICA',
    labels: [],
    series: '1',
  },
  fathom_replica_lag_seconds: {
    type: 'gauge',
    help: 'Age of the state of the replica that is furthest behind, of databases that run; missing without REPLICA and while Litestream does not run',
    labels: [],
    series: '1',
  },
  fathom_erasures_pending: {
    type: 'gauge',
    help: 'Deleted databases whose erasure has begun and not ended, for example because the target of their backups is away',
    labels: [],
    series: '1',
  },
  fathom_alert_deliveries_total: {
    type: 'counter',
    help: 'Attempts to deliver alerts, by channel and result; dropped is the last failed attempt of an alert',
    labels: ['channel', 'result'],
    series: '9',
  },
  fathom_databases_archived: {
    type: 'gauge',
    help: 'Databases whose files are in a backup and not on the disk',
    labels: [],
    series: '1',
  },
  fathom_restarts_total: {
    type: 'counter',
    help: 'Exits of instances that were not requested',
    labels: ['kind'],
    series: '2',
  },
  fathom_instance_start_duration_seconds: {
    type: 'histogram',
    help: 'Time from the start of the process of an instance until it answered',
    labels: ['kind'],
    series: '26',
  },
  fathom_wakes_total: {
    type: 'counter',
    help: 'Wakes of sleeping databases, by what woke them; also those without a daemon, which have no duration',
    labels: ['by'],
    series: '6',
  },
  fathom_wake_seconds: {
    type: 'histogram',
    help: 'Time from the first request at a sleeping database until its instance ran',
    labels: [],
    series: '13',
  },
  fathom_provision_duration_seconds: {
    type: 'histogram',
    help: 'Time to create a database for a user',
    labels: ['outcome'],
    series: '26',
  },
  fathom_http_requests_total: {
    type: 'counter',
    help: 'Requests by response; route is none when no route matched',
    labels: ['method', 'route', 'status'],
    series: 'one per combination that occurred, 1,000 at most',
  },
  fathom_http_request_duration_seconds: {
    type: 'histogram',
    help: 'Time until the response to a request',
    labels: ['method', 'route'],
    series: '11 per requested route, about 1,000 in all',
  },
  fathom_queue_tasks: {
    type: 'gauge',
    help: 'Tasks by status; absent while the global PocketBase does not answer',
    labels: ['status'],
    series: '6',
  },
  fathom_queue_paused: { type: 'gauge', help: '1 while the queue is paused', labels: [], series: '1' },
  fathom_queue_max_running: {
    type: 'gauge',
    help: 'Tasks that may run at the same time, over all workers',
    labels: [],
    series: '1',
  },
  fathom_queue_attempts_total: {
    type: 'counter',
    help: "Ended attempts at tasks of the daemon's own worker",
    labels: ['type', 'outcome'],
    series: '6 per handler, 1,000 at most',
  },
  fathom_queue_attempt_duration_seconds: {
    type: 'histogram',
    help: "Time that an attempt at a task took in the daemon's own worker",
    labels: ['type'],
    series: '12 per handler',
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'Processor time of the daemon, without the instances',
    labels: [],
    series: '1',
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Resident memory of the daemon, without the instances',
    labels: [],
    series: '1',
  },
  process_start_time_seconds: {
    type: 'gauge',
    help: 'When the daemon was started, Unix time',
    labels: [],
    series: '1',
  },
  process_open_fds: { type: 'gauge', help: 'Open files of the daemon', labels: [], series: '1' },
  process_max_fds: { type: 'gauge', help: 'Files that the daemon may open', labels: [], series: '1' },
  nodejs_heap_size_used_bytes: {
    type: 'gauge',
    help: 'Used heap of the daemon',
    labels: [],
    series: '1',
  },
  fathom_daemon_event_loop_delay_seconds: {
    type: 'gauge',
    help: 'Mean delay of the event loop of the daemon over the last sample',
    labels: [],
    series: '1',
  },
  fathom_log_dropped_lines_total: {
    type: 'counter',
    help: 'Lines of the log of the daemon that could not be written',
    labels: [],
    series: '1',
  },
  fathom_disk_free_bytes: {
    type: 'gauge',
    help: 'Free space on the fullest disk that Fathom writes to',
    labels: [],
    series: '1',
  },
  fathom_disk_reserve_bytes: {
    type: 'gauge',
    help: 'Disk space that is reserved for the control plane; 0 after it was released on a full disk',
    labels: [],
    series: '1',
  },
  fathom_writes_held: {
    type: 'gauge',
    help: '1 while databases that write are held, because the disk is nearly full',
    labels: [],
    series: '1',
  },

  fathom_instance_up: {
    type: 'gauge',
    help: '1 while the instance runs and answers; absent while it sleeps or wakes',
    ...OF_DATABASE,
  },
  fathom_instance_desired: {
    type: 'gauge',
    help: '1 when the instance should run, 0 when it should be stopped',
    ...OF_DATABASE,
  },
  fathom_instance_trouble: {
    type: 'gauge',
    help: '1 for an instance that should run and is in trouble, with the reason; absent otherwise',
    labels: ['database', 'kind', 'reason'],
    series: 'one per database in trouble',
    perDatabase: true,
  },
  fathom_instance_restarts_total: {
    type: 'counter',
    help: 'Exits that were not requested, since the daemon has known the instance',
    ...OF_DATABASE,
  },
  fathom_instance_crashes: {
    type: 'gauge',
    help: 'Crashes without ten minutes of running in between; absent without a crash',
    ...OF_DATABASE,
  },
  fathom_instance_start_time_seconds: {
    type: 'gauge',
    help: 'When the process was started, Unix time',
    ...OF_DATABASE,
  },
  fathom_instance_pss_bytes: {
    type: 'gauge',
    help: 'Proportional set size: memory, with what instances share counted once over all; absent without a process',
    ...OF_DATABASE,
  },
  fathom_instance_cpu_usage_ratio: {
    type: 'gauge',
    help: 'Share of one core over the last sample, 1 for a full core',
    ...OF_DATABASE,
  },
  fathom_instance_disk_bytes: { type: 'gauge', help: 'Size of the data directory', ...OF_DATABASE },
  fathom_instance_memory_limit_bytes: {
    type: 'gauge',
    help: 'Limit of the memory; absent without a limit',
    ...OF_DATABASE,
  },
  fathom_instance_disk_limit_bytes: {
    type: 'gauge',
    help: 'Limit of the data directory; absent without a limit',
    ...OF_DATABASE,
  },
  fathom_instance_open_connections: {
    type: 'gauge',
    help: 'Established TCP connections',
    ...OF_DATABASE,
  },
  fathom_instance_probe_duration_seconds: {
    type: 'gauge',
    help: 'Duration of the last liveness probe',
    ...OF_DATABASE,
  },
} as const satisfies Record<`${'fathom' | 'process' | 'nodejs'}_${string}`, Metric>;

export type MetricName = keyof typeof METRICS;

export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];

export function specOf(name: MetricName): Metric {
  return METRICS[name];
}
