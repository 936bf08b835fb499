export type Level = 'ok' | 'warning' | 'fatal';

/** Ids of all findings. A test checks that docs/doctor.md has a line for each. */
export const FINDING_IDS = [
  'node',
  'config',
  'env_file',
  'secrets',
  'encryption_key',
  'master_key',
  'session_key',
  'binary',
  'advisories',
  'flock',
  'sandbox',
  'cgroup',
  'sockets',
  'data_dir',
  'permissions',
  'owner',
  'disk',
  'disk_reserve',
  'network_disk',
  'clock',
  'port_server_port',
  'port_pb_global_port',
  'port_range',
  'ports',
  'moved_ports',
  'edge',
  'inotify',
  'open_files',
  'memory',
  'daemon',
  'daemon_version',
  'daemon_log',
  'max_databases',
  'plans',
  'mail',
  'backups',
  'replica',
  'cluster',
  'erasures',
  'alerts',
  'inactive',
  'release',
  'stale_socket',
  'stale_pid_file',
  'leftovers',
  'rescued',
  'unsupervised',
  'orphans',
  'other_binary',
  'versions',
  'without_directory',
  'without_data',
  'without_row',
  'control_plane',
  'addresses',
  'accounts',
  'migrations',
  'migration_drift',
  'damaged',
  'instances',
  'usage',
  'end_to_end',
] as const;

export type FindingId = (typeof FINDING_IDS)[number];

/** What `--fix` does. It never changes data of users. */
export type Fix =
  | { kind: 'chmod'; path: string; mode: number }
  /** For a socket, a pid file, or an incomplete directory. */
  | { kind: 'remove'; path: string };

/** The remedy when no daemon runs. */
export const START_DAEMON = "start it with 'systemctl start fathomd' or 'npm start'";

/** The result of one check. `fatal`: the daemon does not run, or does not run safely. */
export interface Finding {
  id: FindingId;
  level: Level;
  /** One line that describes the state. */
  summary: string;
  /** What to do; null when the level is `ok`. */
  remedy: string | null;
  /** Only where an automatic fix is safe. */
  fixes?: Fix[];
}

export function ok(id: FindingId, summary: string): Finding {
  return { id, level: 'ok', summary, remedy: null };
}

export function warning(id: FindingId, summary: string, remedy: string, fixes?: Fix[]): Finding {
  return { id, level: 'warning', summary, remedy, ...(fixes ? { fixes } : {}) };
}

export function fatal(id: FindingId, summary: string, remedy: string): Finding {
  return { id, level: 'fatal', summary, remedy };
}
