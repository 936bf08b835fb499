export type Level = 'ok' | 'warning' | 'fatal';

/** Every kind of finding; docs/doctor.md has a line for each, which a test holds together. */
export const FINDING_IDS = [
  'node',
  'config',
  'env_file',
  'secrets',
  'encryption_key',
  'master_key',
  'session_key',
  'binary',
  'flock',
  'data_dir',
  'permissions',
  'owner',
  'disk',
  'network_disk',
  'clock',
  'port_server_port',
  'port_pb_global_port',
  'inotify',
  'open_files',
  'daemon',
  'daemon_version',
  'daemon_log',
  'release',
  'stale_socket',
  'stale_pid_file',
  'leftovers',
  'rescued',
  'unsupervised',
  'orphans',
  'other_binary',
  'without_directory',
  'without_row',
  'control_plane',
  'addresses',
  'accounts',
  'migrations',
  'migration_drift',
  'damaged',
  'instances',
] as const;

export type FindingId = (typeof FINDING_IDS)[number];

/** What `--fix` does about a finding: nothing that touches data. */
export type Fix =
  | { kind: 'chmod'; path: string; mode: number }
  /** A socket, a pid file, or what was left half made. */
  | { kind: 'remove'; path: string };

/** What to do about a daemon that does not run. */
export const START_DAEMON = "start it with 'systemctl start fathomd' or 'npm start'";

/** What one check found. `fatal` means that the daemon will not run, or not safely. */
export interface Finding {
  id: FindingId;
  level: Level;
  /** One line: what is so. */
  summary: string;
  /** What to do about it; null when it is fine. */
  remedy: string | null;
  /** Only where it is safe to have it done. */
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
